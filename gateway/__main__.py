"""Where the ``gateway`` command begins.

One rule: nothing big is imported before the collector is told to wait.
"""

import gc
import sys


def main() -> int:
    """Run the command; return its exit code."""
    # What imports and start make stays for good: to look for garbage in it takes a tenth of a
    # start.  The collector goes on when the box is ready.
    gc.disable()
    from gateway import command  # noqa: PLC0415

    return command.main()


if __name__ == "__main__":
    sys.exit(main())

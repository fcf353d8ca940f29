"""A static web server for trying a repository on the operator's own machine.

One rule: loopback only, and only what a content network would carry; staged
files and keys are not served.
"""

from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_PUBLIC = ("metadata", "targets")


class _Handler(SimpleHTTPRequestHandler):
    """Serves files of the public folders."""

    server_version = "headend"

    def do_GET(self) -> None:  # the standard library's name
        if self._is_public():
            super().do_GET()

    def do_HEAD(self) -> None:
        if self._is_public():
            super().do_HEAD()

    def _is_public(self) -> bool:
        # What will be opened decides, not what was asked for: /metadata/../staged is staged.
        asked, root = Path(self.translate_path(self.path)), Path(self.directory)
        if asked.is_file() and any(asked.is_relative_to(root / name) for name in _PUBLIC):
            return True
        self.send_error(HTTPStatus.NOT_FOUND)
        return False


def server(repository: Path, port: int) -> ThreadingHTTPServer:
    """Return a server of `repository` bound to loopback; the caller runs and closes it.

    Args:
        repository: Its folder.
        port: 0 takes a free one; see ``server_port``.
    """
    return ThreadingHTTPServer(("127.0.0.1", port), partial(_Handler, directory=str(repository)))

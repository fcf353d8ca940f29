"""What somebody may do by their role.

One rule: pure, and whatever is not said to be allowed is refused.
"""

import re
from enum import StrEnum

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Role(StrEnum):
    """Who is asking."""

    VIEWER = "viewer"
    """Watches on their own screen and sees what is on; changes nothing."""
    MEMBER = "member"
    """Lives here: the television, the devices, recordings and reminders."""
    OWNER = "owner"
    """Answers for the box: locks, phones, apps, updates, support. The television's own page is one."""


# Reading, too: who watched what, which phones there are, and the PIN's business are the owner's.
_OWNERS_ONLY = re.compile(r"/api/v1/(support|pairing)(/|$)")
_OWNERS_WRITES = re.compile(
    r"/api/v1/(updates(/|$)|rules(/|$)|helpers(/|$)|scenes/[^/]+$|tv/picture$|keys/taken$|apps/[^/]+/(uninstall|call)$)"
)
# A guest's phone sees television, not the home: no devices, no medical readings.
_VIEWERS_READS = re.compile(
    r"/(live/.*|recordings/.*|api/v1/(channels|guide(/.*)?|tv|recordings|events|session|pairing/me))"
)
_VIEWERS_HIDDEN = re.compile(r"/api/v1/events$")
_OWN = re.compile(r"/api/v1/(session|pairing/me)$")


def may(role: Role, method: str, path: str) -> bool:
    """Tell whether `role` may send `method` to `path`."""
    if role is Role.OWNER or _OWN.match(path):
        return True
    if _OWNERS_ONLY.match(path):
        return False
    reads = method in SAFE_METHODS
    if role is Role.VIEWER:
        return reads and bool(_VIEWERS_READS.fullmatch(path)) and not _VIEWERS_HIDDEN.match(path)
    return reads or not _OWNERS_WRITES.match(path)

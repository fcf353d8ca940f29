"""The newest picture of each of the home's cameras.

One rule: in memory only.  A picture is never written anywhere, told to other devices or kept when
the next one comes.
"""

import binascii
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from gateway.iot.entity import EntityId
from gateway.iot.ha_template import UnreadableError

log = logging.getLogger(__name__)

MAX_PICTURE_BYTES = 1024 * 1024
"""What the box's own broker lets through, too."""

MAX_ALL_BYTES = 16 * 1024 * 1024
PER_S = 2.0
BURST = 5.0

_KINDS = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png"}


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture.

    Attributes:
        kind: ``image/jpeg`` or ``image/png``, by its first bytes and not by anybody's word.
    """

    data: bytes
    kind: str
    at: datetime


@dataclass(slots=True)
class _Pace:
    left: float
    at_s: float


class Pictures:
    """The newest of each camera, within limits.

    Attributes:
        refused: How many of each camera were none, too large or too many.
    """

    def __init__(self, steady: Callable[[], float] = time.monotonic) -> None:
        """Begin with none; `steady` counts seconds for the pace."""
        self.refused: Counter[EntityId] = Counter()
        self._steady = steady
        self._pictures: dict[EntityId, Picture] = {}
        self._paces: dict[EntityId, _Pace] = {}

    @property
    def newest(self) -> Mapping[EntityId, Picture]:
        """The newest picture of each camera that sent one."""
        return self._pictures

    def take(self, camera: EntityId, payload: bytes, at: datetime, *, encoded: bool) -> Picture | None:
        """Keep what `camera` sent in place of what it sent before; `None` if that is refused, and counted.

        Args:
            camera: Whose.
            payload: As sent.
            at: When.
            encoded: Whether it is in base64.
        """
        try:
            picture = Picture(*self._read(camera, payload, encoded=encoded), at)
        except UnreadableError as why:
            self.refused[camera] += 1
            if self.refused[camera] == 1:
                log.warning("A picture of %s is passed over, and maybe more: it %s", camera, why)
            return None
        self._pictures.pop(camera, None)
        self._pictures[camera] = picture
        while sum(len(each.data) for each in self._pictures.values()) > MAX_ALL_BYTES:
            # The one that is longest not renewed.
            del self._pictures[next(iter(self._pictures))]
        return picture

    def forget(self, camera: EntityId) -> None:
        """Forget what `camera` sent."""
        self._pictures.pop(camera, None)
        self._paces.pop(camera, None)
        self.refused.pop(camera, None)

    def _read(self, camera: EntityId, payload: bytes, *, encoded: bool) -> tuple[bytes, str]:
        if len(payload) > MAX_PICTURE_BYTES * (4 / 3 if encoded else 1) + 4:
            raise UnreadableError(f"is larger than {MAX_PICTURE_BYTES} bytes")
        self._pay(camera)
        if encoded:
            try:
                payload = binascii.a2b_base64(payload)
            except binascii.Error as error:
                raise UnreadableError("is not base64") from error
        if len(payload) > MAX_PICTURE_BYTES:
            raise UnreadableError(f"is larger than {MAX_PICTURE_BYTES} bytes")
        for magic, kind in _KINDS.items():
            if payload.startswith(magic):
                return payload, kind
        raise UnreadableError("is neither JPEG nor PNG")

    def _pay(self, camera: EntityId) -> None:
        now_s = self._steady()
        pace = self._paces.setdefault(camera, _Pace(BURST, now_s))
        pace.left = min(BURST, pace.left + (now_s - pace.at_s) * PER_S)
        pace.at_s = now_s
        if pace.left < 1:
            raise UnreadableError(f"comes faster than {PER_S:g} a second")
        pace.left -= 1

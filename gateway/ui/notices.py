"""Short messages for the household, from rules, apps and the box itself.

One rule: a passing message is told to the pages that are there; a standing one
to every page that comes, for as long as it is true.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime

from gateway.iot.entity import EntityId
from gateway.pubsub import Publisher
from gateway.ui import documents as doc


class NoticeBoard:
    """Where messages for the screen are put.

    Attributes:
        changes: Every passing message, as it is put.
    """

    def __init__(self, standing: Callable[[], Iterable[doc.Notice]] = lambda: ()) -> None:
        """Make an empty board.

        Args:
            standing: What a page that comes now must be told.
        """
        self.changes: Publisher[doc.Notice] = Publisher()
        self._standing = standing

    @property
    def standing(self) -> tuple[doc.Notice, ...]:
        """What every new page is told."""
        return tuple(self._standing())

    def put(
        self,
        text: Mapping[str, str],
        *,
        code: str | None = None,
        urgent: bool = False,
        camera: EntityId | None = None,
    ) -> None:
        """Show a message once.

        Args:
            text: By locale.
            code: One of ``docs/errors.md``, if it is about an error.
            urgent: Whether it goes before what is shown, and what waits to be.
            camera: What it sees is shown beside the text.
        """
        self.changes.publish(
            doc.Notice(text=dict(text), code=code, at=datetime.now(UTC), urgent=urgent, camera=camera)
        )

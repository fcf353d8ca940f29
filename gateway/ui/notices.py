"""Short messages for the household, from rules, apps and the box itself.

One rule: what happened before any page was there is told to the next page
that comes; what is shown once is not kept.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

from gateway.pubsub import Publisher
from gateway.ui import documents as doc

MAX_STANDING = 8


class NoticeBoard:
    """Where messages for the screen are put.

    Attributes:
        changes: Every message, as it is put.
        standing: Messages that every new page is told, the oldest first.
    """

    def __init__(self) -> None:
        self.changes: Publisher[doc.Notice] = Publisher()
        self.standing: tuple[doc.Notice, ...] = ()

    def put(self, text: Mapping[str, str], *, code: str | None = None, stands: bool = False) -> None:
        """Show a message.

        Args:
            text: By locale.
            code: One of ``docs/errors.md``, if it is about an error.
            stands: Whether pages that come later are told too, until the daemon's end.
        """
        notice = doc.Notice(text=dict(text), code=code, at=datetime.now(UTC))
        if stands:
            self.standing = (*self.standing, notice)[-MAX_STANDING:]
        self.changes.publish(notice)

from datetime import UTC, datetime

from gateway.media.lineup_book import LineUpRecord
from tests.ui.conftest import Box
from tests.ui.test_api import ask

NOON = datetime(2026, 7, 6, 12, tzinfo=UTC)


async def test_a_refused_line_up_is_among_the_updates(box: Box) -> None:
    box.living.book.record = LineUpRecord(
        installed="all/3", refused_code="TRUST-102", refused_reason="it has expired", checked_at=NOON
    )
    found = {update["kind"]: update for update in await ask(box, "GET", "updates")}
    assert found["line-up"] == {
        "kind": "line-up",
        "id": "line-up",
        "installed": "all/3",
        "available": None,
        "refused_code": "TRUST-102",
        "refused_reason": "it has expired",
        "checked_at": "2026-07-06T12:00:00Z",
    }


async def test_looking_for_updates_looks_for_a_line_up_too(box: Box) -> None:
    await ask(box, "POST", "updates/check", status=202)
    assert box.living.book.looked == 1

"""What went wrong with the television, on the screen: recordings, time-shift, the line-up.

One rule: each is told once, when it happens; only what stays true stands.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

from gateway.media.lineup_book import LineUpRecord
from gateway.media.recordings_facts import Recording, RecordingState
from gateway.media.timeshift_facts import ShiftDegraded, ShiftFact
from gateway.pubsub import Publisher
from gateway.trust.errors import UnreachableError
from gateway.ui import documents as doc
from gateway.ui.error_words import ErrorWords
from gateway.ui.notices import NoticeBoard

LATELY = timedelta(days=1)
MOST_MISSED = 3

_TOLD = {
    RecordingState.FAILED: {"zh-CN": "《{}》没有录成。", "en": "“{}” was not recorded. "},
    RecordingState.CONFLICT: {"zh-CN": "《{}》将无法录制。", "en": "“{}” will not be recorded. "},
}


class Recorder(Protocol):
    """See `gateway.media.recorder.Recorder`."""

    @property
    def all(self) -> Sequence[Recording]: ...
    @property
    def changes(self) -> Publisher[None]: ...


class LineUps(Protocol):
    """See `gateway.media.lineup_book.LineUpBook`."""

    @property
    def record(self) -> LineUpRecord | None: ...


class RecordingNotices:
    """Tells of recordings that failed, or will not be made; a service."""

    def __init__(self, recorder: Recorder, words: ErrorWords, board: NoticeBoard) -> None:
        self._recorder = recorder
        self._words = words
        self._board = board

    async def run(self, ready: Callable[[], None]) -> None:
        """Live until cancelled."""
        with self._recorder.changes.subscribe(1) as changes:
            known = self._states()
            ready()
            async for _ in changes:
                for one in self._recorder.all:
                    if _is_worth_telling(one) and known.get(one.id) not in {None, one.state}:
                        self._board.put(_told(one, self._words), code=one.code)
                known = self._states()

    def _states(self) -> dict[str, RecordingState]:
        return {one.id: one.state for one in self._recorder.all}


def _is_worth_telling(one: Recording) -> bool:
    """Whether it is news to the household; what it stopped itself has failed without a reason."""
    return one.state is RecordingState.CONFLICT or (
        one.state is RecordingState.FAILED and one.code is not None
    )


def _told(one: Recording, words: ErrorWords) -> Mapping[str, str]:
    why = words.of(one.code) if one.code else {}
    return {
        locale: (said.format(one.title) + why.get(locale, "")).strip()
        for locale, said in _TOLD[one.state].items()
    }


def missed_recordings(recorder: Recorder, words: ErrorWords, started: datetime) -> Iterable[doc.Notice]:
    """Return what was not recorded because the box was off, which nobody could be told at the time."""
    missed = [
        one
        for one in recorder.all
        if one.state is RecordingState.FAILED
        and one.code is not None
        and started - LATELY < one.stop <= started
    ]
    for one in missed[:MOST_MISSED]:
        yield doc.Notice(text=dict(_told(one, words)), code=one.code, at=one.stop)


class TimeShiftNotices:
    """Tells when the disk takes no more of time-shift; a service."""

    def __init__(self, facts: Publisher[ShiftFact], words: ErrorWords, board: NoticeBoard) -> None:
        self._facts = facts
        self._words = words
        self._board = board

    async def run(self, ready: Callable[[], None]) -> None:
        """Live until cancelled."""
        with self._facts.subscribe() as facts:
            ready()
            async for fact in facts:
                if isinstance(fact, ShiftDegraded):
                    self._board.put(self._words.of(fact.code), code=fact.code)


def refused_line_up(line_up: LineUps, words: ErrorWords) -> Iterable[doc.Notice]:
    """Return what stands while the newest signed line-up is refused, or there cannot be one."""
    record = line_up.record
    if record is None or record.refused_code is None:
        return
    # Without the network a box with channels goes on as well as it can; nobody need be told all day.
    if record.refused_code != UnreachableError.code or record.installed is None:
        yield doc.Notice(
            text=words.of(record.refused_code),
            code=record.refused_code,
            at=record.checked_at or datetime.now(UTC),
        )

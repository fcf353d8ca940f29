"""What is to be recorded: wishes, rules and the guide, brought together.

One rule: it says what should be; whether it is done is `gateway.media.recorder`'s business.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from gateway.media import recorder_wishes as wishes
from gateway.media.recorder_plan import Rank, Slot, Wish
from gateway.media.recorder_wishes import Episode, Guide, LineUpOwner
from gateway.media.recordings_facts import CONFLICT, MISSED, TO_COME, Recording, RecordingState
from gateway.media.recordings_library import Library
from gateway.pubsub import Publisher

AT_LEAST = timedelta(seconds=30)
"""Of an episode that is nearly over, the rest is not worth a recording."""

ASK_EVERY_S = 60.0


@dataclass(frozen=True, slots=True)
class Programmes:
    """What there is to record.

    Attributes:
        guide: The programmes.
        line_up: The channels.
        changed: Something that is published when there may be other programmes.
    """

    guide: Guide
    line_up: LineUpOwner
    changed: Publisher[Any]


class Agenda:
    """See the module.

    Attributes:
        upcoming: What rules will record, and what they cannot; by id.
    """

    def __init__(self, library: Library, programmes: Programmes, clock: Callable[[], datetime]) -> None:
        self.upcoming: Mapping[str, Recording] = {}
        self._library = library
        self._programmes = programmes
        self._clock = clock
        self._episodes: dict[str, Episode] = {}
        self._of_rules: Sequence[Episode] = ()
        self._asked_at_s: float | None = None

    def changed(self) -> None:
        """Guide or rules are different now."""
        self._asked_at_s = None

    def take(self, recording: str) -> None:
        """What a rule wanted is being recorded now."""
        self.upcoming = {key: each for key, each in self.upcoming.items() if key != recording}

    async def wishes(self, running: Collection[str]) -> Sequence[Wish]:
        """Return everything that is wanted, as the guide has it now.

        Args:
            running: Ids of what is being recorded.
        """
        if self._asked_at_s is None or time.monotonic() - self._asked_at_s >= ASK_EVERY_S:
            self._asked_at_s = time.monotonic()
            await self._ask_guide(running)
        recordings = self._library.recordings
        found: list[Wish] = []
        for one in recordings.values():
            if one.state is RecordingState.RECORDING:
                found.append(wishes.single(one, Rank.RUNNING))
            elif one.state in TO_COME:
                found.append(wishes.single(one, Rank.SINGLE))
        self._episodes = {each.id: each for each in self._wanted_episodes(running)}
        return [*found, *(episode.wish for episode in self._episodes.values())]

    async def note(self, slots: Mapping[str, Slot | None]) -> None:
        """Let the list say what the plan says."""
        now = self._clock()
        for one in list(self._library.recordings.values()):
            if one.state not in TO_COME:
                continue
            if one.stop <= now:
                state, code = RecordingState.FAILED, one.code or MISSED
            elif slots.get(one.id) is None:
                state, code = RecordingState.CONFLICT, CONFLICT
            else:
                state, code = RecordingState.PLANNED, None
            await self._library.put(replace(one, state=state, code=code))
        upcoming = {each.id: self._planned(each, slots.get(each.id), now) for each in self._episodes.values()}
        if upcoming != self.upcoming:
            self.upcoming = upcoming
            self._library.changes.publish(None)

    def _planned(self, episode: Episode, slot: Slot | None, now: datetime) -> Recording:
        showing = slot.showing if slot else episode.wish.showings[0]
        before = self.upcoming.get(episode.id)
        return replace(
            wishes.of_episode(episode, showing, self._programmes.line_up.state, now),
            state=RecordingState.PLANNED if slot else RecordingState.CONFLICT,
            code=None if slot else CONFLICT,
            asked_at=before.asked_at if before else now,
        )

    def _wanted_episodes(self, running: Collection[str]) -> Sequence[Episode]:
        """Return what rules want and nobody has, or wants already."""
        now, recordings = self._clock(), self._library.recordings
        wanted = {(one.channel, one.start) for one in recordings.values() if one.state in TO_COME}
        taken = {
            (one.series, one.episode)
            for one in recordings.values()
            if one.id in running or one.state is not RecordingState.FAILED
        }
        found = []
        for episode in self._of_rules:
            shown = [
                each
                for each in episode.showings
                if each.stop > now + AT_LEAST and (each.channel, each.start) not in wanted
            ]
            key = (episode.rule.id, episode.name)
            if shown and key not in taken and key not in self._library.had:
                found.append(replace(episode, showings=shown))
        return found

    async def _ask_guide(self, running: Collection[str]) -> None:
        """Follow the programmes that are wanted, and find what the rules mean."""
        guide = self._programmes.guide
        for one in list(self._library.recordings.values()):
            if one.state in TO_COME:
                start, stop, programme = await wishes.followed(one, guide)
                await self._library.put(replace(one, start=start, stop=stop, programme=programme))
            elif one.id in running:
                _, stop, _ = await wishes.followed(one, guide)
                now = self._library.recordings[one.id]
                await self._library.put(replace(now, stop=max(stop, now.start)))
        rules = self._library.series.values()
        self._of_rules = [each for rule in rules for each in await wishes.episodes(rule, guide)]

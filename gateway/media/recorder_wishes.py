"""From the guide to wishes: which programmes the rules mean, and where a programme has moved to.

One rule: an episode is wanted once, however often it is shown; what the guide
does not tell apart is taken to be different.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from gateway.media.epg import Programme
from gateway.media.guide_words import folded, series_of
from gateway.media.lineup import ChannelId, LineUp
from gateway.media.recorder_plan import Rank, Showing, Wish
from gateway.media.recordings_facts import Recording, SeriesRule
from gateway.pubsub import Publisher

MOVED_BY = timedelta(hours=6)
MAX_SHOWINGS = 8
MAX_EPISODES = 100


class Guide(Protocol):
    """See `gateway.media.epg.Guide`."""

    async def programme(self, programme: str) -> Programme | None: ...

    async def upcoming(
        self, series: str, channel: ChannelId | None = None, limit: int = ...
    ) -> Sequence[Programme]: ...


class LineUpOwner(Protocol):
    """See `gateway.media.lineup_book.LineUpBook`."""

    @property
    def state(self) -> LineUp: ...
    @property
    def changes(self) -> Publisher[LineUp]: ...


@dataclass(frozen=True, slots=True)
class Episode:
    """An episode that a rule wants, and all its showings, the first one first."""

    id: str
    rule: SeriesRule
    name: str
    showings: Sequence[Programme]

    @property
    def wish(self) -> Wish:
        """As the plan wants it."""
        return Wish(self.id, Rank.SERIES, [_showing(each) for each in self.showings])


def episode_name(programme: Programme) -> str:
    """Return what all showings of the same episode have in common."""
    title, subtitle = folded(programme.title), folded(programme.subtitle)
    if subtitle or title != series_of(programme.title):
        return f"{title}|{subtitle}"
    return f"{programme.channel}@{int(programme.start.timestamp())}"


async def episodes(rule: SeriesRule, guide: Guide) -> Sequence[Episode]:
    """Return what is on and to come of a rule's series."""
    by_name: dict[str, list[Programme]] = {}
    for programme in await guide.upcoming(rule.key, rule.channel):
        by_name.setdefault(episode_name(programme), []).append(programme)
    return [
        Episode(_id(rule, name), rule, name, sorted(shown, key=lambda each: each.start)[:MAX_SHOWINGS])
        for name, shown in list(by_name.items())[:MAX_EPISODES]
    ]


async def followed(recording: Recording, guide: Guide) -> tuple[datetime, datetime, str | None]:
    """Return start, stop and id of the programme that `recording` wants, wherever it is now.

    As they were, if the guide has it no more.
    """
    if recording.programme is None:
        return recording.start, recording.stop, None
    key = series_of(recording.title)
    exact = await guide.programme(recording.programme)
    if exact is not None and series_of(exact.title) == key:
        return exact.start, exact.stop, exact.id
    near = [
        each
        for each in await guide.upcoming(key, recording.channel)
        if abs(each.start - recording.start) <= MOVED_BY
        and folded(each.title) == folded(recording.title)
        and folded(each.subtitle) == folded(recording.subtitle)
    ]
    if not near:
        return recording.start, recording.stop, recording.programme
    found = min(near, key=lambda each: abs(each.start - recording.start))
    return found.start, found.stop, found.id


def single(recording: Recording, rank: Rank) -> Wish:
    """Return the wish for one recording as it stands."""
    showing = Showing(recording.channel, recording.start, recording.stop, recording.programme)
    return Wish(recording.id, rank, [showing])


def of_episode(episode: Episode, showing: Showing, line_up: LineUp, now: datetime) -> Recording:
    """Return the recording that an episode becomes if it is taken at `showing`."""
    programme = next(each for each in episode.showings if _showing(each) == showing)
    return of_programme(episode.id, programme, line_up, now, episode=episode)


def of_programme(
    recording: str,
    programme: Programme,
    line_up: LineUp,
    now: datetime,
    *,
    episode: Episode | None = None,
) -> Recording:
    """Return the recording that a programme becomes."""
    channel = line_up.by_id(programme.channel)
    return Recording(
        id=recording,
        channel=programme.channel,
        channel_name=channel.name if channel else "",
        title=programme.title,
        subtitle=programme.subtitle,
        description=programme.description,
        start=programme.start,
        stop=programme.stop,
        asked_at=now,
        programme=programme.id,
        series=episode.rule.id if episode else None,
        episode=episode.name if episode else "",
        age=programme.age,
    )


def surplus(recordings: Mapping[str, Recording], rule: SeriesRule) -> Sequence[Recording]:
    """Return what a rule that keeps the newest few keeps no longer."""
    if not rule.keep_last:
        return []
    of_it = [one for one in recordings.values() if one.series == rule.id and one.duration_s]
    return sorted(of_it, key=lambda one: one.start, reverse=True)[rule.keep_last :]


def _showing(programme: Programme) -> Showing:
    return Showing(programme.channel, programme.start, programme.stop, programme.id)


def _id(rule: SeriesRule, name: str) -> str:
    return hashlib.sha256(f"{rule.id}|{name}".encode()).hexdigest()[:16]

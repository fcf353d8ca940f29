"""Which languages the household likes to hear and read.

One rule: remembered by language and never by track, because numbers of tracks
change from one programme to the next; what was chosen on a channel goes before
what was chosen last anywhere.
"""

from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gateway.media.lineup import ChannelId
from gateway.media.player import SUBTITLES_OFF, Track, TracksFound

MAX_CHANNELS = 200
MOST_TRIES = 4
"""Players list tracks before they have settled which they use; one that never obeys is left alone."""
ANYWHERE = ChannelId("")
OFF = "off"


@dataclass(frozen=True, slots=True)
class Choice:
    """A language that was chosen; `channel` is `ANYWHERE` for the newest of all."""

    channel: ChannelId
    kind: str
    language: str


class Languages:
    """The choices, and what follows from them."""

    def __init__(self, choices: Iterable[Choice] = ()) -> None:
        self._choices: OrderedDict[tuple[ChannelId, str], str] = OrderedDict()
        self._tries: Counter[str] = Counter()
        self._listed: dict[str, list[str]] = {}
        self.restore(choices)

    @property
    def choices(self) -> tuple[Choice, ...]:
        """All of them, to be kept."""
        return tuple(Choice(channel, kind, language) for (channel, kind), language in self._choices.items())

    def restore(self, choices: Iterable[Choice]) -> None:
        """Take over what was kept."""
        self._choices = OrderedDict(((one.channel, one.kind), one.language) for one in choices)

    def chosen(self, channel: ChannelId | None, track: Track) -> None:
        """Remember that the household chose `track` on `channel`."""
        said = _said(track)
        if not said:
            # Cannot be known again, but is not to be undone either.
            self._tries[track.kind] = MOST_TRIES
            return
        self._tries[track.kind] = 0
        for where in (ANYWHERE, channel or ANYWHERE):
            self._choices[where, track.kind] = said
            self._choices.move_to_end((where, track.kind))
        while len(self._choices) > 2 * MAX_CHANNELS:
            oldest = next(key for key in self._choices if key[0] != ANYWHERE)
            del self._choices[oldest]

    def began(self) -> None:
        """A stream was opened: it may need its tracks chosen."""
        self._tries.clear()
        self._listed.clear()

    def to_select(self, channel: ChannelId | None, found: TracksFound) -> Iterator[Track]:
        """Yield the tracks to select: those that are wished for and not in use."""
        for kind in sorted({track.kind for track in found.tracks}):
            listed = [track.id for track in found.tracks if track.kind == kind]
            if self._listed.get(kind, listed) != listed:  # another programme, or a break for adverts
                self._tries[kind] = 0
            self._listed[kind] = listed
            wish = self._choices.get((channel or ANYWHERE, kind)) or self._choices.get((ANYWHERE, kind))
            fit = [track for track in found.tracks if track.kind == kind and _said(track) == wish]
            if not fit or any(track.id in found.selected for track in fit):
                continue
            self._tries[kind] += 1
            if self._tries[kind] <= MOST_TRIES:
                yield fit[0]


def _said(track: Track) -> str:
    return OFF if track == SUBTITLES_OFF or track.id == SUBTITLES_OFF.id else track.language.lower()

"""Evenings in front of the television, as keys on the remote.

One rule: every log is what somebody like that presses, not what the predictor likes.

A line is a day, a time and keys: ``+ -`` are the channel keys, ``<`` goes back to the
channel before, a number is typed digit by digit and taken after the pause, ``@8`` is
the guide's focus resting on channel 8, ``ok`` takes it; ``!5`` is how the box finds the
television at the beginning: on channel 5.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from gateway.media.lineup import Channel, ChannelId, LineUp, Source
from gateway.media.zap import Budget, Cost, Hints, Predictor, afford
from gateway.media.zap_habit import Habits

MONDAY = datetime(2026, 11, 2).astimezone()

SURFER = """
0 19:42 !1 + + + + + + + + + - + + + + + + + + - - + + + + + +
0 20:15 + + + + + + + + + + + + + + + + + + + +
0 21:03 - - - - - - - - - - - - - - + - - - - -
"""

FLIPPER_IN_ADVERTISEMENTS = """
0 20:10 !5 8 < < < < < < < < < <
0 20:41 < < < < < < < < < <
0 21:02 13 < < < < < < < <
"""

NUMBER_TYPER = "\n".join(
    f"""
{day} 18:30 !1 13 5 102
{day} 19:30 8 13 45
{day} 21:00 13 102 8 5
"""
    for day in range(10)
)

NEWS_AT_SEVEN = "\n".join(f"{day} 06:50 !11 + + -\n{day} 18:58 !11 13\n{day} 19:31 1" for day in range(14))

GUIDE_READER = """
0 20:00 !1 @2 @3 @4 @5 ok
0 20:30 @6 @7 @27 @28 ok
0 21:00 @29 @30 @50 @51 ok
0 21:30 @52 @53 @54 @34 ok
"""


def line_up(channels: int = 300) -> LineUp:
    """A cable line-up: three digits long, without gaps."""
    return LineUp(
        Channel(
            id=ChannelId(f"c{number}"),
            number=number,
            name=str(number),
            sources=(Source(url=f"http://o/{number}"),),
        )
        for number in range(1, channels + 1)
    )


class Replay:
    """Plays a log to a predictor, and sees how often the next channel was ready.

    Attributes:
        hits: Whether it was, for each change of the channel.
        early: The same, but before the last digit was typed; numbers of two digits and more only.
        habits: What was learned meanwhile.
    """

    def __init__(self, budget: Budget, *, habits: Habits | None = None) -> None:
        self.hits: list[bool] = []
        self.early: list[bool] = []
        self.habits = habits or Habits()
        self._budget = budget
        self._line_up = line_up()
        self._predictor = Predictor(self.habits)
        self._here, self._last, self._focus = ChannelId("c1"), ChannelId("c1"), ChannelId("")
        self._shown_at = MONDAY

    def play(self, log: str) -> "Replay":
        """Press the keys of `log`."""
        for at, key in _keys(log):
            match key[0]:
                case "!":
                    self._here = ChannelId(f"c{key[1:]}")
                    self._shown_at = at
                    self._predictor.moved(self._here)
                case "@":
                    self._focus = ChannelId(f"c{key[1:]}")
                case "o":
                    self._go(self._focus, at, Hints(focus=self._focus))
                case "+" | "-":
                    there = self._line_up.neighbour(self._here, 1 if key == "+" else -1)
                    assert there is not None
                    self._go(there.id, at, Hints())
                case "<":
                    self._go(self._last, at, Hints())
                case _:
                    there_id = ChannelId(f"c{key}")
                    if len(key) > 1:
                        self.early.append(there_id in self._ready(at, Hints(digits=key[:-1])))
                    self._go(there_id, at, Hints(digits=key))
        return self

    def share(self) -> float:
        """How often the next channel was ready."""
        return sum(self.hits) / len(self.hits)

    def _ready(self, at: datetime, hints: Hints) -> tuple[ChannelId, ...]:
        ranking = self._predictor.ranking(self._line_up, hints, at)
        return afford(ranking, lambda _: Cost(8_000_000, 8_000_000), self._budget).warm

    def _go(self, there: ChannelId, at: datetime, hints: Hints) -> None:
        if there == self._here:
            return
        self.hits.append(there in self._ready(at, hints))
        if at - self._shown_at > timedelta(minutes=1):
            self.habits.watched(self._here, at - timedelta(minutes=1))
        self._last, self._here, self._shown_at = self._here, there, at
        self._predictor.moved(there)


def _keys(log: str) -> Iterator[tuple[datetime, str]]:
    for line in log.splitlines():
        if not line:
            continue
        day, clock, *keys = line.split()
        hour, minute = map(int, clock.split(":"))
        for number, key in enumerate(keys):
            # Two seconds between keys, but the evening's last channel stays on.
            yield MONDAY + timedelta(days=int(day), hours=hour, minutes=minute, seconds=2 * number), key

"""What is on: a programme guide for fifteen days, the same for the same day whoever asks.

One rule: every channel's day is filled from midnight to midnight (China time)
without gaps or overlaps.
"""

import gzip
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from xml.sax.saxutils import escape, quoteattr

from headend.demo.channels import DemoChannel
from headend.demo.repertoire import AGES, REPERTOIRE, SERIES

DAYS_BACK = 7
DAYS_FORWARD = 7
CHINA = timezone(timedelta(hours=8))
_MINUTES_PER_DAY = 24 * 60
_LENGTHS = (20, 30, 40, 45, 50, 60, 75, 90)
_SHORTEST = 20


@dataclass(frozen=True, slots=True)
class Programme:
    """One entry of the guide; times in China time.

    Attributes:
        episode: Which one of a series; 0 for what stands alone.
        repeat: Whether the same was on before on that day.
        age: The youngest it is meant for; 0 for everybody.
    """

    channel: str
    start: datetime
    stop: datetime
    title: str
    description: str
    category: str
    episode: int = 0
    repeat: bool = False
    age: int = 0


def programmes(channel: DemoChannel, today: date) -> Iterator[Programme]:
    """Yield the programmes of `channel` from seven days before `today` to seven after, in order."""
    for offset in range(-DAYS_BACK, DAYS_FORWARD + 1):
        yield from _day(channel, today + timedelta(days=offset))


def xmltv(channels: Sequence[DemoChannel], now: datetime, *, base: str) -> bytes:
    """Return the guide around `now` as gzipped XMLTV.

    Args:
        channels: Whose guide.
        now: Timezone-aware.
        base: Address of the origin, for the channels' pictures.
    """
    today = now.astimezone(CHINA).date()
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', '<tv generator-info-name="gateway-demo">']
    for channel in channels:
        lines.append(f"<channel id={quoteattr(channel.id)}>")
        lines.append(f'<display-name lang="zh">{escape(channel.name)}</display-name>')
        lines.append(f'<display-name lang="en">{escape(channel.english)}</display-name>')
        lines.append(f"<icon src={quoteattr(f'{base}/logo/{channel.id}.svg')}/></channel>")
    for channel in channels:
        lines += (_element(programme) for programme in programmes(channel, today))
    lines.append("</tv>\n")
    return gzip.compress("\n".join(lines).encode(), compresslevel=6, mtime=0)


def _day(channel: DemoChannel, day: date) -> Iterator[Programme]:
    dice = random.Random(f"{channel.id} {day.isoformat()}")  # noqa: S311 - a guide, not a secret
    category, repertoire = REPERTOIRE[channel.scene]
    midnight = datetime.combine(day, time(), CHINA)
    minute, last = 0, -1
    been: set[str] = set()
    while minute < _MINUTES_PER_DAY:
        left = _MINUTES_PER_DAY - minute
        # What is left after this one must again be at least the shortest.
        fitting = [n for n in _LENGTHS if n == left or n <= left - _SHORTEST]
        length = dice.choice(fitting) if fitting else left
        which = dice.choice([n for n in range(len(repertoire)) if n != last])
        last = which
        title, description = repertoire[which]
        start = midnight + timedelta(minutes=minute)
        yield Programme(
            channel.id,
            start,
            start + timedelta(minutes=length),
            title,
            description,
            category,
            # One episode a day; whoever misses it sees it again later on that day.
            episode=day.toordinal() % SERIES[title] + 1 if title in SERIES else 0,
            repeat=title in SERIES and title in been,
            age=AGES.get(title, 0),
        )
        been.add(title)
        minute += length


def _element(programme: Programme) -> str:
    number = programme.episode
    sub_title = f'<sub-title lang="zh">第{number}集</sub-title>' if number else ""
    episode = f'<episode-num system="onscreen">E{number:02d}</episode-num>' if number else ""
    repeat = "<previously-shown/>" if programme.repeat else ""
    rating = f'<rating system="CN"><value>{programme.age}+</value></rating>' if programme.age else ""
    description = f'<desc lang="zh">{escape(programme.description)}</desc>'
    return (
        f'<programme start="{programme.start:%Y%m%d%H%M%S %z}" stop="{programme.stop:%Y%m%d%H%M%S %z}" '
        f"channel={quoteattr(programme.channel)}>"
        f'<title lang="zh">{escape(programme.title)}</title>{sub_title}{description}'
        f'<category lang="zh">{escape(programme.category)}</category>{episode}{repeat}{rating}</programme>'
    )

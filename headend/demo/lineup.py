"""The demo's line-up as extended M3U, and the channels' little pictures.

One rule: what stands here is what the origin serves; addresses are built from
the one base address given.
"""

from collections.abc import Sequence

from headend.demo.archive import DAYS
from headend.demo.channels import CatchUp, DemoChannel

_LOCAL_TIMES = "playseek=${(b)yyyyMMddHHmmss}-${(e)yyyyMMddHHmmss}"


def m3u(channels: Sequence[DemoChannel], *, base: str) -> str:
    """Return the line-up; `base` is the origin's address without a final slash."""
    lines = [f'#EXTM3U url-tvg="{base}/guide.xml.gz"']
    for channel in channels:
        live = f"{base}/live/{channel.id}/index.m3u8"
        lines.append(
            f'#EXTINF:-1 tvg-id="{channel.id}" tvg-chno="{channel.number}" tvg-name="{channel.name}" '
            f'tvg-logo="{base}/logo/{channel.id}.svg" group-title="{channel.group}" '
            f'resolution="{channel.resolution}"{_past(channel, live)},{channel.name}'
        )
        lines.append(live)
    return "\n".join(lines) + "\n"


def _past(channel: DemoChannel, live: str) -> str:
    """Return the attributes that say how the channel's past is asked for."""
    kind = channel.catch_up
    if kind is CatchUp.NONE:
        return ""
    attributes = f' catchup="{kind.value}" catchup-days="{DAYS}"'
    if kind is CatchUp.DEFAULT:
        attributes += f' catchup-source="{live}?{_LOCAL_TIMES}"'
    elif kind is CatchUp.APPEND:
        attributes += f' catchup-source="?{_LOCAL_TIMES}"'
    return attributes


def logo(channel: DemoChannel) -> str:
    """Return the channel's picture as SVG: its colours, and the first character of its name."""
    top, middle, horizon = channel.palette[:3]
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 120 120"><defs>'
        '<linearGradient id="g" x1="0" y1="0" x2="1" y2="1">'
        f'<stop offset="0" stop-color="{top}"/><stop offset="1" stop-color="{middle}"/>'
        f'</linearGradient></defs><rect width="120" height="120" rx="28" fill="url(#g)"/>'
        f'<circle cx="60" cy="60" r="38" fill="{horizon}" fill-opacity=".25"/><text x="60" y="79" '
        'text-anchor="middle" font-family="Noto Sans CJK SC,Noto Sans SC,sans-serif" font-weight="bold" '
        f'font-size="54" fill="#fff8e8">{channel.name[0]}</text></svg>'
    )

"""Lanterns, fish, boats and kites: small drawings that move through a scene."""

# ruff: noqa: E501 - the paths of a drawing read worse when broken


def lantern(hot: str, edge: str) -> str:
    """Return a glowing lantern, 180 x 212."""
    return (
        f'<defs><radialGradient id="l"><stop offset="0" stop-color="#fff2c4"/><stop offset=".5" stop-color="{hot}"/>'
        f'<stop offset="1" stop-color="{edge}"/></radialGradient><radialGradient id="w"><stop offset="0" '
        f'stop-color="{hot}" stop-opacity=".55"/><stop offset="1" stop-color="{hot}" stop-opacity="0"/>'
        '</radialGradient></defs><circle cx="90" cy="100" r="90" fill="url(#w)"/>'
        '<rect x="70" y="42" width="40" height="12" rx="4" fill="#f7c35b"/>'
        '<ellipse cx="90" cy="100" rx="56" ry="48" fill="url(#l)"/>'
        f'<path d="M90 52 V148 M64 58 Q44 100 64 142 M116 58 Q136 100 116 142" stroke="{edge}" stroke-opacity=".6" '
        'stroke-width="3" fill="none"/><rect x="70" y="146" width="40" height="12" rx="4" fill="#f7c35b"/>'
        '<path d="M82 158 V200 M90 158 V208 M98 158 V200" stroke="#f7c35b" stroke-width="3"/>'
    )


def fish(body: str, fin: str) -> str:
    """Return a fish swimming to the right, 180 x 120."""
    return (
        f'<path d="M40 60 Q100 0 170 56 Q100 118 40 60 Z" fill="{body}"/><path d="M52 60 L4 22 Q22 60 4 98 Z" fill="{fin}"/>'
        f'<path d="M96 30 Q118 -4 138 34 Z" fill="{fin}"/><path d="M92 70 q-10 26 22 30 q8 -16 2 -28 Z" fill="{fin}"/>'
        '<circle cx="142" cy="50" r="9" fill="#fff"/><circle cx="144" cy="50" r="4.5" fill="#102030"/>'
        f'<path d="M118 36 Q106 60 118 84 M96 34 Q84 60 96 88" stroke="{fin}" stroke-width="5" fill="none"/>'
    )


def boat(hull: str, cover: str) -> str:
    """Return a covered boat with a lamp, 260 x 140."""
    return (
        f'<path d="M6 84 Q120 122 254 74 Q230 132 130 132 Q40 132 6 84 Z" fill="{hull}"/>'
        f'<path d="M70 92 Q82 44 130 44 Q178 44 190 90 Q130 108 70 92 Z" fill="{cover}"/>'
        '<rect x="118" y="62" width="22" height="22" rx="4" fill="#ffd88a"/>'
        f'<path d="M206 80 V20" stroke="{hull}" stroke-width="6"/><circle cx="206" cy="22" r="11" fill="#ffb347"/>'
    )


def kite(colour: str, second: str) -> str:
    """Return a kite with its tail, 160 x 280."""
    return (
        f'<path d="M80 0 L150 70 L80 170 L10 70 Z" fill="{colour}"/><path d="M80 0 L80 170 L150 70 Z" fill="{second}"/>'
        f'<path d="M10 70 H150 M80 0 V170" stroke="#fff" stroke-opacity=".7" stroke-width="3"/>'
        f'<path d="M80 170 q-26 28 0 52 q26 26 0 56" stroke="{second}" stroke-width="6" fill="none"/>'
    )

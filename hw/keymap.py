"""From the kernel's key codes to the logical keys of the product.

Codes are those of ``linux/input-event-codes.h``; the table holds what remotes,
CEC and keyboards send.
"""

from collections.abc import Mapping
from types import MappingProxyType

LARGEST_CODE = 0x2FF

# Kernel name: (code, logical key).
_TABLE = {
    "KEY_UP": (103, "up"),
    "KEY_DOWN": (108, "down"),
    "KEY_LEFT": (105, "left"),
    "KEY_RIGHT": (106, "right"),
    "KEY_ENTER": (28, "ok"),
    "KEY_OK": (0x160, "ok"),
    "KEY_SELECT": (0x161, "ok"),
    "KEY_ESC": (1, "back"),
    "KEY_BACK": (158, "back"),
    "KEY_EXIT": (174, "back"),
    "KEY_HOME": (102, "home"),
    "KEY_HOMEPAGE": (172, "home"),
    "KEY_MENU": (139, "menu"),
    "KEY_COMPOSE": (127, "menu"),
    "KEY_INFO": (0x166, "info"),
    "KEY_EPG": (0x16D, "guide"),
    "KEY_PROGRAM": (0x16A, "guide"),
    "KEY_CHANNELUP": (0x192, "channel_up"),
    "KEY_CHANNELDOWN": (0x193, "channel_down"),
    "KEY_PAGEUP": (104, "channel_up"),
    "KEY_PAGEDOWN": (109, "channel_down"),
    "KEY_LAST": (0x195, "last"),
    "KEY_PREVIOUS": (0x19C, "last"),
    "KEY_VOLUMEUP": (115, "volume_up"),
    "KEY_VOLUMEDOWN": (114, "volume_down"),
    "KEY_MUTE": (113, "mute"),
    "KEY_RED": (0x18E, "red"),
    "KEY_GREEN": (0x18F, "green"),
    "KEY_YELLOW": (0x190, "yellow"),
    "KEY_BLUE": (0x191, "blue"),
    "KEY_PLAY": (207, "play"),
    "KEY_PLAYPAUSE": (164, "play"),
    "KEY_PAUSE": (119, "pause"),
    "KEY_PAUSECD": (201, "pause"),
    "KEY_STOP": (128, "stop"),
    "KEY_STOPCD": (166, "stop"),
    "KEY_REWIND": (168, "rewind"),
    "KEY_FASTFORWARD": (208, "forward"),
    "KEY_POWER": (116, "power"),
    "KEY_SOS": (0x27F, "sos"),
    "KEY_0": (11, "0"),
    **{f"KEY_{digit}": (digit + 1, str(digit)) for digit in range(1, 10)},
    **{f"KEY_NUMERIC_{digit}": (0x200 + digit, str(digit)) for digit in range(10)},
}

LOGICAL_KEYS = frozenset(key for _, key in _TABLE.values())


def is_kernel_key(name: str) -> bool:
    """Whether `name` is a known kernel name, or a code as text such as ``0x2f0``."""
    try:
        return name in _TABLE or 0 <= int(name, 0) <= LARGEST_CODE
    except ValueError:
        return False


def keymap(extra: Mapping[str, str] = MappingProxyType({})) -> Mapping[int, str]:
    """Return kernel code to logical key.

    Args:
        extra: Kernel name, or a code as text for a key without a known name, to logical key.
    """
    codes = dict(_TABLE.values())
    for name, key in extra.items():
        code = _TABLE[name][0] if name in _TABLE else int(name, 0)
        codes[code] = key
    return MappingProxyType(codes)

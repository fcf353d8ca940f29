"""LibVLC as a resident player: an address per line on standard input.

One rule: the fastest change of channel it offers, `set_media` and `play`, and its
own defaults for the rest; only hardware and sound, which are not there, are left out.
"""

import ctypes
import sys

import vlc

OPTIONS = ("--quiet", "--no-video-title-show", "--no-osd", "--avcodec-hw=none", "--no-xlib", "--aout=dummy")


def window(width: int, height: int) -> int:
    """Return the id of a black window on the display of the environment; it lives as long as the process."""
    x11 = ctypes.CDLL("libX11.so.6")
    x11.XOpenDisplay.restype = ctypes.c_void_p
    x11.XDefaultRootWindow.restype = x11.XCreateSimpleWindow.restype = ctypes.c_ulong
    display = ctypes.c_void_p(x11.XOpenDisplay(None))
    root = ctypes.c_ulong(x11.XDefaultRootWindow(display))
    border, black = ctypes.c_ulong(0), ctypes.c_ulong(0)
    made = int(x11.XCreateSimpleWindow(display, root, 0, 0, width, height, 0, border, black))
    x11.XMapWindow(display, ctypes.c_ulong(made))
    x11.XSync(display, 0)
    return made


def main() -> None:
    """Play until the input ends."""
    width, height, *more = sys.argv[1:]
    instance = vlc.Instance([*OPTIONS, *more])
    player = instance.media_player_new()
    player.set_xwindow(window(int(width), int(height)))
    for line in iter(sys.stdin.readline, ""):
        player.set_media(instance.media_new(line.strip(), ":avcodec-hw=none"))
        player.play()


if __name__ == "__main__":
    main()

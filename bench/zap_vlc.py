"""LibVLC as a resident player: an address per line on standard input.

One rule: the fastest change of channel it offers, `set_media` and `play`, and its
own defaults for the rest; only hardware and sound, which are not there, are left out.
"""

import sys

import vlc

from gateway.media.vlc_window import Window

OPTIONS = ("--quiet", "--no-video-title-show", "--no-osd", "--avcodec-hw=none", "--no-xlib", "--aout=dummy")


def main() -> None:
    """Play until the input ends."""
    window = Window(sys.argv[1])
    instance = vlc.Instance(list(OPTIONS))
    player = instance.media_player_new()
    player.set_xwindow(window.id)
    for line in sys.stdin:
        media = instance.media_new(line.strip(), ":avcodec-hw=none")
        player.set_media(media)
        player.play()


if __name__ == "__main__":
    main()

"""What libVLC is told when it starts.

One rule: figures here were measured; a board may say otherwise.
"""

from gateway.media.player_process import Backend

VLC = Backend(
    module="gateway.media.vlc_worker",
    options=("--quiet", "--no-video-title-show", "--no-osd", "--no-disable-screensaver"),
    # Sound is decoded in time but goes nowhere.
    without_sound_card=("--aout=dummy",),
    # Looking for a graphics processor costs four times the processor and twice the memory (186 MB, not 96).
    without_graphics=("--avcodec-hw=none", "--no-xlib"),
    levelling=("--audio-filter=normvol",),
)

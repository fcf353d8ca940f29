"""What mpv is told when it starts.

One rule: figures here were measured; a board may say otherwise.
"""

from gateway.media.player_process import Backend

MPV = Backend(
    module="gateway.media.mpv_worker",
    options=(
        "--cache=no",
        # A stream that began with a part of a segment is dry, to mpv, as soon as the decoders have it.
        # To wait for a second of media, as is usual, made 300 ms of 15; whole segments follow anyway.
        "--cache-pause-wait=0.1",
        "--demuxer-termination-timeout=0",
        "--demuxer-lavf-probe-info=nostreams",
        "--demuxer-lavf-analyzeduration=0.1",
        "--demuxer-lavf-probesize=32768",
        "--video-latency-hacks=yes",
        "--video-sync=audio",
        # The output waits for a picture's time deaf to all else: no longer than it needs for drawing one.
        "--video-timing-offset=0.012",
        "--network-timeout=30",
        "--hwdec=auto-safe",
    ),
    without_sound_card=("--ao=null",),
    # Each of zimg's seven answers to "which formats?" took 5 ms of a zap, and its pictures a third
    # more of the processor than swscale's quick ones; a screen without a rate was asked again and again.
    without_graphics=(
        "--vo=x11",
        "--hwdec=no",
        "--sws-allow-zimg=no",
        "--sws-fast=yes",
        "--sws-scaler=bilinear",
        "--override-display-fps=60",
    ),
)

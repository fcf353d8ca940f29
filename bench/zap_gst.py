"""GStreamer's playbin3 as a resident player: an address per line on standard input.

One rule: this runs in Debian's own Python, which has the bindings, so it imports
nothing of ours.  A zap is READY, the new address, PLAYING.
"""

import importlib
import sys
import threading
from typing import Any


def main() -> None:
    """Play until the input ends."""
    width, height = sys.argv[1:3]
    # By name, because no environment of ours has them.
    importlib.import_module("gi").require_version("Gst", "1.0")
    Gst: Any = importlib.import_module("gi.repository.Gst")  # noqa: N806 - its own name
    GLib: Any = importlib.import_module("gi.repository.GLib")  # noqa: N806 - likewise
    Gst.init(None)
    player = Gst.ElementFactory.make("playbin3")
    shape = f"video/x-raw,width={width},height={height},pixel-aspect-ratio=1/1"
    output = f"videoconvertscale ! {shape} ! ximagesink"
    player.set_property("video-sink", Gst.parse_bin_from_description(output, True))
    player.set_property("audio-sink", Gst.parse_bin_from_description("fakesink sync=true", True))
    loop = GLib.MainLoop()

    def zap(url: str) -> bool:
        player.set_state(Gst.State.READY)
        player.set_property("uri", url)
        player.set_state(Gst.State.PLAYING)
        return False

    def heed(_bus: object, message: Any) -> None:  # noqa: ANN401 - without types
        # As any player on GStreamer must (its documentation, "Buffering"); a live source is not paused.
        if message.type == Gst.MessageType.ERROR:
            sys.stderr.write(f"{message.parse_error()[0].message}\n")
        elif message.type == Gst.MessageType.CLOCK_LOST:
            player.set_state(Gst.State.PAUSED)
            player.set_state(Gst.State.PLAYING)
        elif message.type == Gst.MessageType.LATENCY:
            player.recalculate_latency()

    def read() -> None:
        for line in sys.stdin:
            GLib.idle_add(zap, line.strip())
        loop.quit()

    bus = player.get_bus()
    bus.add_signal_watch()
    bus.connect("message", heed)
    threading.Thread(target=read, daemon=True).start()
    loop.run()
    player.set_state(Gst.State.NULL)


if __name__ == "__main__":
    main()

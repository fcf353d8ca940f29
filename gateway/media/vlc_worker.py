"""LibVLC as an engine; the only module that imports `vlc`.

What libVLC 3 dictates:

* ``play`` succeeds even for a dead address; failure arrives as an event, on a
  foreign thread that must not call libVLC back;
* ``stop`` may hang, and costs 80 ms of every zap, so a zap is ``set_media`` and
  ``play``; ``set_media`` returns after the older input has ended, so whatever
  is heard after it belongs to the new one;
* ``MediaPlayerVout`` comes up to three times and before the picture, and the
  decoder's first picture waits for its time, so neither is the first frame.
  The statistics of displayed pictures are fresh only each 250 ms and count the
  older channel's last picture when it is painted again.
"""

import sys
from collections.abc import Iterator, Sequence
from typing import Any

from gateway.media.player import SUBTITLES_OFF, Track
from gateway.media.player_signals import SignalBox
from gateway.media.player_window import Window
from gateway.media.player_worker import Engine, EngineError, Signal, main
from gateway.media.vlc_tracks import list_tracks


class VlcEngine:
    """See `gateway.media.player_worker.Engine`."""

    def __init__(self, vlc: Any, options: Sequence[str], window: Window | None) -> None:  # noqa: ANN401 - python-vlc has no types
        """Make the player.

        Args:
            vlc: The module `vlc`.
            options: libVLC's own command line.
            window: Where to draw; `None` leaves it to libVLC.

        Raises:
            EngineError: libVLC refuses the options or has no plugins.
        """
        self._vlc = vlc
        self._instance = vlc.Instance(list(options))
        if self._instance is None:
            raise EngineError("libVLC does not start: plugins are missing or an option is wrong")
        self._player = self._instance.media_player_new()
        # `set_xwindow` puts the decoder's choice back to automatic, which tries and reopens the
        # output for each kind of hardware; said again with the stream, it holds.
        of_decoder = [option for option in options if option.startswith("--avcodec-hw=")]
        self._of_stream = [f":{option.removeprefix('--')}" for option in of_decoder]
        if window is not None:
            self._player.set_xwindow(window.id)
        self._player.video_set_key_input(False)
        self._player.video_set_mouse_input(False)
        self._media: Any = None
        self._statistics = vlc.MediaStats()
        self._stream = 0
        self._painting = 0
        self._volume_percent: int | None = None
        self._heard = True
        self._loud = False
        self._box = SignalBox()
        self._attach()

    @property
    def version(self) -> str:
        return f"libVLC {self._vlc.libvlc_get_version().decode(errors='replace')}"

    @property
    def wake(self) -> int:
        return self._box.wake

    def open(self, url: str, *, heard: bool) -> None:
        media = self._instance.media_new(url)
        for option in self._of_stream:
            media.add_option(option)
        self._stream = -abs(self._stream)  # what is still said of the older one counts no more
        self._player.set_media(media)
        self._let_go()
        self._media = media
        self._stream = abs(self._stream) + 1
        self._heard, self._loud = heard, False
        self._player.audio_set_mute(not heard)
        self._player.play()

    def close(self) -> None:
        self._stream = -abs(self._stream)
        self._player.stop()
        self._let_go()

    def signals(self) -> Iterator[Signal]:
        return self._box.take(self._stream)

    def begun(self) -> bool:
        return self._painting == self._stream

    def count(self) -> int:
        if self._media is None:
            return 0
        self._media.get_stats(self._statistics)
        pictures, sounds = self._statistics.displayed_pictures, self._statistics.played_abuffers
        # Radio: sound, and no picture track that could still bring a first frame.
        count = int(pictures if pictures or self._player.video_get_track_count() > 0 else sounds)
        if count and not self._loud:
            # Before the first sound there is no output that could keep it.
            self._loud = True
            self._apply_volume()
        return count

    def tracks(self) -> tuple[tuple[Track, ...], tuple[str, ...]]:
        return list_tracks(self._vlc, self._player, self._media)

    def select(self, kind: str, track_id: str) -> None:
        track = -1 if track_id == SUBTITLES_OFF.id else int(track_id)
        if kind == "audio":
            self._player.audio_set_track(track)
        else:
            self._player.video_set_spu(track)

    def set_volume(self, level_percent: int) -> None:
        self._volume_percent = level_percent
        self._apply_volume()

    def set_heard(self, heard: bool) -> None:
        self._heard = heard
        self._apply_volume()

    def set_paused(self, paused: bool) -> None:
        self._player.set_pause(int(paused))

    def set_levelling(self, on: bool) -> None:
        """Nothing: libVLC 3 knows its filters at its start."""

    def _apply_volume(self) -> None:
        self._player.audio_set_mute(not self._heard)
        if self._volume_percent is not None:
            self._player.audio_set_volume(self._volume_percent)

    def _attach(self) -> None:
        kinds = self._vlc.EventType
        names = {
            kinds.MediaPlayerEncounteredError: Signal.BROKEN,
            kinds.MediaPlayerEndReached: Signal.ENDED,
            kinds.MediaPlayerESAdded: Signal.TRACKS,
            kinds.MediaPlayerESDeleted: Signal.TRACKS,
            kinds.MediaPlayerESSelected: Signal.TRACKS,
        }
        manager = self._player.event_manager()
        manager.event_attach(kinds.MediaPlayerVout, self._begin_to_paint)
        for kind, signal in names.items():
            manager.event_attach(kind, lambda _event, signal=signal: self._box.put(self._stream, signal))

    def _begin_to_paint(self, _event: object) -> None:
        """Note which stream the output is for; on libVLC's thread."""
        self._painting = self._stream

    def _let_go(self) -> None:
        # python-vlc counts no references: what is not released stays for ever.
        if self._media is not None:
            self._media.release()
            self._media = None


def make(options: Sequence[str], window: Window | None) -> Engine:
    """Return the engine.

    Raises:
        EngineError: there is no usable libVLC here.
    """
    try:
        # Here and not above: without libVLC the import itself fails, and that is worth a report.
        import vlc  # noqa: PLC0415

        return VlcEngine(vlc, options, window)
    except SystemExit as error:  # python-vlc leaves by itself when the library it was pointed to is not there
        raise EngineError("libVLC cannot be loaded") from error
    except (ImportError, OSError, AttributeError, NotImplementedError) as error:
        raise EngineError(str(error)) from error


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], make))

"""A channel's melody as sound samples, and the cutting of AAC into a seamless loop.

One rule: the phrase is a whole number of AAC frames long (12 s at 32 kHz are
375), so a loop of whole phrases can be repeated for ever without a gap, which
is why the demo does not use 48 kHz.
"""

import array
import io
import math
import sys
import wave
from itertools import accumulate, repeat
from operator import add, mul

from headend.demo.channels import LOOP_S, Tune

RATE_HZ = 32_000
PHRASE_S = 12
FRAME_SAMPLES = 1024
FRAMES_PER_PHRASE = PHRASE_S * RATE_HZ // FRAME_SAMPLES

_SCALE = (0, 2, 4, 7, 9)
_ADTS_HEADER_BYTES = 7
_TABLE_SIZE = 2048
_LOUDNESS = 0.30
_TONE_S = 1.1
_ADTS_SYNC = 0xFF


class DamagedAudioError(ValueError):
    """The encoder's output is not the ADTS stream we asked for."""


def phrase(tune: Tune, *, transpose: int = 0) -> bytes:
    """Return `PHRASE_S` seconds of `tune` as a mono 16-bit WAV file.

    Args:
        tune: What to play.
        transpose: Semitones up; a second language sounds a fifth higher.
    """
    samples = [0.0] * (PHRASE_S * RATE_HZ)
    table = _wave_table(tune.overtones)
    step = len(samples) / len(tune.notes)
    tones: dict[int, list[float]] = {}
    for n, note in enumerate(tune.notes):
        if note == ".":
            continue
        octave, degree = divmod(int(note), len(_SCALE))
        semitones = 12 * octave + _SCALE[degree] + transpose
        if semitones not in tones:
            tones[semitones] = _tone(tune.root_hz * 2 ** (semitones / 12), table)
        _mix(samples, round(n * step), tones[semitones])
    loudest = max(map(abs, samples)) or 1.0
    gain = 32767 * _LOUDNESS / loudest
    data = array.array("h", (round(sample * gain) for sample in samples))
    if sys.byteorder == "big":
        data.byteswap()
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE_HZ)
        out.writeframes(data.tobytes())
    return file.getvalue()


def loop_of_frames(adts: bytes) -> bytes:
    """Return exactly one loop of AAC frames out of `adts`, two phrases or more.

    The second phrase is taken and repeated: the encoder's priming is in the
    first, and after it the sound is periodic, so its end meets its beginning.

    Raises:
        DamagedAudioError: not ADTS, or shorter than two phrases.
    """
    starts = [0]
    wanted = 2 * FRAMES_PER_PHRASE
    while len(starts) <= wanted:
        at = starts[-1]
        if at + _ADTS_HEADER_BYTES > len(adts) or adts[at] != _ADTS_SYNC:
            raise DamagedAudioError(f"{len(starts) - 1} AAC frames where {wanted} were asked for")
        size = (adts[at + 3] & 0x03) << 11 | adts[at + 4] << 3 | adts[at + 5] >> 5
        starts.append(at + max(size, _ADTS_HEADER_BYTES))
    return adts[starts[FRAMES_PER_PHRASE] : starts[wanted]] * (LOOP_S // PHRASE_S)


def _wave_table(overtones: tuple[float, ...]) -> list[float]:
    return [
        sum(strength * math.sin(math.tau * (h + 1) * i / _TABLE_SIZE) for h, strength in enumerate(overtones))
        for i in range(_TABLE_SIZE)
    ]


def _tone(hertz: float, table: list[float]) -> list[float]:
    """Return one plucked, dying tone of `_TONE_S` seconds."""
    rise, fall, length = 160, 2000, int(_TONE_S * RATE_HZ)
    step = hertz * _TABLE_SIZE / RATE_HZ
    tone = [
        table[int(n * step) % _TABLE_SIZE] * level
        for n, level in enumerate(accumulate(repeat(math.exp(-4.5 / length), length), mul))
    ]
    for n in range(rise):
        tone[n] *= n / rise
    for n in range(fall):
        tone[-1 - n] *= n / fall
    return tone


def _mix(samples: list[float], start: int, tone: list[float]) -> None:
    """Add `tone` at `start`; what rings past the end rings on at the beginning."""
    end = min(start + len(tone), len(samples))
    samples[start:end] = map(add, samples[start:end], tone)
    rest = tone[end - start :]
    samples[: len(rest)] = map(add, samples[: len(rest)], rest)

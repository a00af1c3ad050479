"""Sounds: what is heard of effects, how loud, and the bytes of each, made of sines and noise."""

from __future__ import annotations

import io
import math
import wave
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sidereal.game.look import SOUNDS

RATE_HZ: Final = 22_050
"""Samples in a second, of 16 bits, on one channel."""
HALF_UNITS: Final = 250.0
"""World units away at which a sound has half of its loudness."""
FAINT: Final = 0.06
"""What is less loud is not heard."""

Wave = NDArray[np.float64]


class Began(NamedTuple):
    """Something that sounds has begun at a place, world units."""

    sound: str
    x: float
    y: float


class Heard(NamedTuple):
    """A sound, and how loud it is: 0 to 1."""

    sound: str
    loudness: float


def heard(began: Iterable[Began], x: float, y: float) -> list[Heard]:
    """Say what is heard at a place, each sound once at its loudest, the loudest first."""
    loudest: dict[str, float] = {}
    for one in began:
        away = math.hypot(one.x - x, one.y - y) / HALF_UNITS
        loudness = 1.0 / (1.0 + away * away)
        if loudness >= FAINT:
            loudest[one.sound] = max(loudness, loudest.get(one.sound, 0.0))
    return sorted(
        (Heard(*each) for each in loudest.items()), key=lambda one: one.loudness, reverse=True
    )


def wav_bytes(sound: str) -> bytes:
    """Make a sound, as a WAV file.

    Args:
        sound: one of `sidereal.game.look.SOUNDS`.
    """
    samples = _MAKERS[sound](np.random.default_rng(SOUNDS.index(sound)))
    samples = samples / max(float(np.abs(samples).max()), 1e-9)
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE_HZ)
        out.writeframes((samples * 0.8 * 32_767).astype("<i2").tobytes())
    return file.getvalue()


def _time(seconds: float) -> Wave:
    return np.arange(round(seconds * RATE_HZ)) / RATE_HZ


def _sweep(time: Wave, begin_hz: float, end_hz: float) -> Wave:
    """A sine whose pitch runs from one to another."""
    hz = begin_hz * (end_hz / begin_hz) ** (time / time[-1])
    return np.asarray(np.sin(2 * np.pi * np.cumsum(hz) / RATE_HZ))


def _shot(rng: np.random.Generator) -> Wave:
    time = _time(0.14)
    crack = rng.normal(size=len(time)) * np.exp(-time * 90) * 0.5
    return np.asarray(_sweep(time, 1300, 260) * np.exp(-time * 26) + crack)


def _burst(rng: np.random.Generator) -> Wave:
    time = _time(0.9)
    rumble = np.cumsum(rng.normal(size=len(time)))
    rumble -= np.convolve(rumble, np.ones(600) / 600, mode="same")
    rumble /= np.abs(rumble).max()
    return np.asarray((rumble + 0.6 * _sweep(time, 110, 32)) * np.exp(-time * 4.5))


def _hum(_rng: np.random.Generator) -> Wave:
    time = _time(0.35)
    swell = np.sin(np.pi * time / time[-1]) ** 2
    return np.asarray((_sweep(time, 190, 230) + 0.4 * _sweep(time, 382, 458)) * swell)


def _chime(_rng: np.random.Generator) -> Wave:
    time = _time(0.5)
    second = np.where(time > 0.09, np.sin(2 * np.pi * 1320 * time), 0.0)
    return np.asarray((0.7 * np.sin(2 * np.pi * 880 * time) + second) * np.exp(-time * 9))


def _clank(_rng: np.random.Generator) -> Wave:
    time = _time(0.3)
    tones = sum(np.sin(2 * np.pi * hz * time) for hz in (523.0, 811.0, 1377.0, 2011.0))
    return np.asarray(tones * np.exp(-time * 17))


_MAKERS: Final[dict[str, Callable[[Any], Wave]]] = {
    "shot": _shot,
    "burst": _burst,
    "hum": _hum,
    "chime": _chime,
    "clank": _clank,
}

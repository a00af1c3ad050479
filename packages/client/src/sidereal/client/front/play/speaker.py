"""The speaker: plays sounds, a few at a time; without a device it says so once and is silent."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, Final

import pyglet
from pyglet.media.exceptions import MediaException

from sidereal.client.front.play.sounds import Heard, wav_bytes
from sidereal.game.look import SOUNDS

VOICES_MAX: Final = 8
"""Sounds at once; more begin when one of these has ended."""
VOLUME: Final = 0.5
NO_DEVICE: Final = "no sound: nothing here plays any"


class Speaker:
    """Plays what is heard.

    Attributes:
        problem: why nothing is played, empty if it is.
    """

    def __init__(self) -> None:
        self.problem = ""
        self._sources: dict[str, Any] = {}
        self._voices: list[Any] = []
        try:
            find: Any = pyglet.media.get_audio_driver
            driver = find()
            if driver is None or "silent" in type(driver).__module__:
                self.problem = NO_DEVICE
                return
            self._sources = {
                sound: pyglet.media.load(
                    f"{sound}.wav", file=io.BytesIO(wav_bytes(sound)), streaming=False
                )
                for sound in SOUNDS
            }
        except (ImportError, OSError, MediaException) as error:
            self.problem = f"no sound: {error or type(error).__name__}"

    def play(self, sounds: Sequence[Heard]) -> None:
        """Begin sounds, as far as there are voices for them."""
        if self.problem or not sounds:
            return
        self._voices = [voice for voice in self._voices if voice.playing]
        for sound, loudness in sounds[: VOICES_MAX - len(self._voices)]:
            voice = pyglet.media.Player()
            voice.volume = VOLUME * loudness
            voice.queue(self._sources[sound])
            voice.play()
            self._voices.append(voice)

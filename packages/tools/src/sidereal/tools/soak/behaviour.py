"""What clients do with their time, drawn from a generator of their own."""

from __future__ import annotations

import bisect
import enum
import itertools
import math
from collections.abc import Mapping
from typing import Final, NamedTuple, TypeVar

import numpy as np

from sidereal.tools.soak.body import LABEL_SIZE
from sidereal.tools.soak.config import CHANNELS, End

VISIT_S_MEAN: Final = 6.0
VISIT_S_MAX: Final = 60.0
"""Also bounds what the checker keeps of a session."""
ABSENCE_S_MEAN: Final = 1.0
CONNECTING_S_MAX: Final = 0.3
"""Those who give up before they are let in do so within that."""
HZ_LEAST: Final = 1.0
HZ_MOST: Final = 16.0
"""Times a second that one of the two ends speaks. This range, and those of sizes and counts, are
drawn from evenly on a logarithmic scale."""
WORDS_MAX: Final = 32
"""Messages said at once."""
SHORT_SIZE_MAX: Final = 2_000
BULK_SIZE_MAX: Final = 300_000
BULK_SHARE: Final = 0.01
"""Of reliable messages that are anything up to `BULK_SIZE_MAX`; others are a packet or two."""
LIMIT_SHARE: Final = 0.05
"""Of unreliable messages that are as long as they may be."""
CHANNEL_SHARES: Final = {0: 0.35, 1: 0.25, 2: 0.2, 3: 0.2}
TAG_SHARE: Final = 0.5


_T = TypeVar("_T")


class Ending(enum.Enum):
    """How a visit ends."""

    DRAIN = "drain"
    """Both ends fall silent, everything reliable arrives, and the client says goodbye."""
    LEAVE = "leave"
    """The client says goodbye in the middle of everything."""
    KICK = "kick"
    """The server closes the session in the middle of everything."""
    VANISH = "vanish"
    """The client ends without a word."""
    CUT = "cut"
    """Nothing passes any more, either way."""
    GIVE_UP = "give up"
    """The client leaves before it is connected, if it is not very quick."""


_ENDING_SHARES: Final = {
    Ending.DRAIN: 0.4,
    Ending.LEAVE: 0.15,
    Ending.KICK: 0.15,
    Ending.VANISH: 0.2,
    Ending.CUT: 0.05,
    Ending.GIVE_UP: 0.05,
}


class Visit(NamedTuple):
    """One visit.

    Attributes:
        ending: how it ends.
        stays_s: how long it talks, or tries to connect if it is to give up.
        hz: how often either end speaks.
        server_share: how often it is the server.
        away_s: how long the client is away afterwards.
        moves: whether it comes back from another socket.
        renames: whether it comes back under another name.
    """

    ending: Ending
    stays_s: float
    hz: float
    server_share: float
    away_s: float
    moves: bool
    renames: bool


class Words(NamedTuple):
    """A message to be sent.

    Attributes:
        sender: which end sends it.
        channel: over which channel.
        size: bytes.
        tagged: whether its ack is of interest.
    """

    sender: End
    channel: int
    size: int
    tagged: bool


def draw_visit(rng: np.random.Generator) -> Visit:
    """Draw what a client does from now until it comes again."""
    which, hz, share, moves, renames, quick = rng.random(6).tolist()
    stays_s, away_s = rng.exponential((VISIT_S_MEAN, ABSENCE_S_MEAN)).tolist()
    ending = _pick(_ENDING_SHARES, which)
    gives_up = ending is Ending.GIVE_UP
    return Visit(
        ending=ending,
        stays_s=quick * CONNECTING_S_MAX if gives_up else min(stays_s, VISIT_S_MAX),
        hz=_log_uniform(hz, HZ_LEAST, HZ_MOST),
        server_share=share,
        away_s=away_s,
        moves=moves < 0.5,
        renames=renames < 0.5,
    )


def draw_words(rng: np.random.Generator, visit: Visit) -> list[Words]:
    """Draw what is said at once."""
    count = int(_log_uniform(float(rng.random()), 1, WORDS_MAX + 1))
    return [_draw_message(rng, visit) for _ in range(count)]


def draw_pause_s(rng: np.random.Generator, visit: Visit) -> float:
    """Draw the time until somebody speaks again."""
    return float(rng.exponential(1.0 / visit.hz))


def _draw_message(rng: np.random.Generator, visit: Visit) -> Words:
    sender, which, size, kind, tag = rng.random(5).tolist()
    channel = _pick(CHANNEL_SHARES, which)
    spec = CHANNELS[channel]
    if spec.delivery.is_reliable:
        longest = BULK_SIZE_MAX if kind < BULK_SHARE else SHORT_SIZE_MAX
        bytes_ = int(_log_uniform(size, LABEL_SIZE, longest))
    elif kind < LIMIT_SHARE:
        bytes_ = spec.message_size_max
    else:
        bytes_ = int(_log_uniform(size, LABEL_SIZE, spec.message_size_max))
    return Words(
        sender=End.SERVER if sender < visit.server_share else End.CLIENT,
        channel=channel,
        size=bytes_,
        tagged=not spec.delivery.is_reliable and tag < TAG_SHARE,
    )


def _log_uniform(draw: float, least: float, most: float) -> float:
    return least * math.exp(draw * math.log(most / least))


def _pick(shares: Mapping[_T, float], draw: float) -> _T:
    choices = list(shares)
    at = bisect.bisect(list(itertools.accumulate(shares.values())), draw)
    return choices[min(at, len(choices) - 1)]

"""How late reliable messages come over a bad link, in virtual time and from a seed.

The link takes 125 ms each way, up to 50 ms more as jitter, loses 5 % and doubles 2 %. One end
sends a reliable ordered message of 100 bytes in every tick of 50 ms. The ends flush once in a tick,
out of phase with each other (as a server in a game does; hard, because every ack and every message
sent again waits for the next tick), or also whenever their timers say so.
"""

from __future__ import annotations

import random
from typing import Final, NamedTuple

import numpy as np

from sidereal.protocol.channel.connection import Connection
from sidereal.protocol.channel.spec import ChannelSpec, Delivery
from sidereal.protocol.testing.link import LinkConfig
from sidereal.protocol.testing.pair import Wire

TICK_S: Final = 0.05
ROUND_TRIP_S: Final = 0.25
LINK: Final = LinkConfig(delay_s=ROUND_TRIP_S / 2, jitter_s=0.05, loss=0.05, duplication=0.02)
RELIABLE, STATE = 0, 1
CHANNELS: Final = (
    ChannelSpec(Delivery.RELIABLE_ORDERED, memory_max=1 << 20),
    ChannelSpec(Delivery.UNRELIABLE, memory_max=64 << 10),
)
MESSAGE_SIZE: Final = 100
STATE_SIZE: Final = 600
SETTLE_S: Final = 20.0
"""In which the last message must have come."""


class Habit(NamedTuple):
    """How the two ends live.

    Attributes:
        has_timers: they flush also when their timers say so, not only in their ticks.
        has_state: the other end sends 600 bytes of unreliable state in each of its ticks.
    """

    has_timers: bool
    has_state: bool

    def __str__(self) -> str:
        flush = "ticks and timers" if self.has_timers else "ticks only"
        return f"{flush}, {'state' if self.has_state else 'nothing'} coming back"


HABITS: Final = tuple(Habit(timers, state) for timers in (False, True) for state in (False, True))


class Conversation:
    """A sender (end 0) and a receiver (end 1) on a link, and when every message came."""

    def __init__(self, habit: Habit, seed: int) -> None:
        self.draw = random.Random(seed)
        self.wire = Wire(LINK, seed)
        self.ends = (Connection(CHANNELS, 0.0), Connection(CHANNELS, 0.0))
        self.ticks_at = [0.0, self.draw.uniform(0.0, TICK_S)]
        self.habit = habit
        self.now = 0.0
        self.sent: list[tuple[float, bytes]] = []
        self.latencies_s: list[float] = []

    def run(self, seconds: float) -> None:
        """Talk for so long, and then wait until everything has come."""
        while self.now < seconds or len(self.latencies_s) < len(self.sent):
            assert self.now < seconds + SETTLE_S, "a message does not come"
            self.now = max(self.now, self.next_time())
            self.take_arrivals()
            for number in (0, 1):
                if self.ticks_at[number] <= self.now:
                    self.ticks_at[number] += TICK_S
                    if self.now < seconds:
                        self.speak(number)
                    self.flush(number)
                elif self.habit.has_timers and self.is_due(number):
                    self.flush(number)

    def next_time(self) -> float:
        times = [*self.ticks_at, self.wire.next_delivery]
        if self.habit.has_timers:
            times += [end.next_timer() for end in self.ends]
        return min(time for time in times if time is not None)

    def is_due(self, number: int) -> bool:
        due = self.ends[number].next_timer()
        return due is not None and due <= self.now

    def speak(self, number: int) -> None:
        """Queue what this end says in a tick."""
        if number == 0:
            message = self.draw.randbytes(MESSAGE_SIZE)
            self.sent.append((self.now, message))
            self.ends[0].send(RELIABLE, message)
        elif self.habit.has_state:
            self.ends[1].send(STATE, self.draw.randbytes(STATE_SIZE), tag=1)

    def flush(self, number: int) -> None:
        for payload in self.ends[number].payloads_to_send(self.now):
            self.wire.send(number, payload, self.now)

    def take_arrivals(self) -> None:
        while (arrival := self.wire.take_due(self.now)) is not None:
            number, payload = arrival
            deliveries = self.ends[number].receive_payload(payload, self.now)
            self.ends[number].take_acked()
            if number == 1:
                for _, messages in deliveries:
                    self.take_messages(messages)

    def take_messages(self, messages: list[bytes]) -> None:
        for message in messages:
            sent_at, expected = self.sent[len(self.latencies_s)]
            assert message == expected, "a message came out of order, twice or changed"
            self.latencies_s.append(self.now - sent_at)


def measure_latencies(habit: Habit, seeds: int, seconds: float) -> np.ndarray:
    """Latencies in round trips of 250 ms, of all messages of all seeds."""
    latencies_s: list[float] = []
    for seed in range(seeds):
        conversation = Conversation(habit, seed)
        conversation.run(seconds)
        latencies_s += conversation.latencies_s
    return np.array(latencies_s) / ROUND_TRIP_S

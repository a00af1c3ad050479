"""The own inputs: one per tick on a steady schedule, kept until the authority has applied them.

An input is due a tick after the one before, whatever else happens (an open loop). A tick is shorter
or longer only by what `pace` says. The latency of an input counts from when it was due, so a
stalled client, link or server shows in the numbers instead of hiding in fewer inputs. A tick whose
input was never made, because this process slept through it, counts too: it is answered with the
next input that was. Its number is left out. So the next inputs have the ticks that they would have
had without that.
"""

from __future__ import annotations

import math
from collections import deque
from itertools import islice
from typing import NamedTuple

from sidereal.client.limits import LIMITS, Limits
from sidereal.client.pace import Pace
from sidereal.protocol.errors import WireError
from sidereal.protocol.limits import CONTROLS_PER_MESSAGE_MAX
from sidereal.protocol.message.inputs import Input
from sidereal.protocol.state.controls import ControlsLayout


class Entry(NamedTuple):
    """What was held during one client tick."""

    seq: int
    record: int
    """Of controls."""
    at: float
    """When it was scheduled, monotonic seconds."""
    lasts_s: float
    """Until the next one is due."""


class Keys:
    """The controls that somebody holds, and what they have pressed since the newest input."""

    def __init__(self, layout: ControlsLayout) -> None:
        self._layout = layout
        self._held = 0
        self._tapped = 0

    def hold(self, record: int) -> None:
        """Hold the states of a record from now on; its presses count once, in the next input."""
        held = record & self._layout.states
        fresh = self._layout.touched(held, self._held) | (record & ~held)
        self._tapped = self._layout.merged(fresh, self._tapped)
        self._held = held

    def peek(self) -> int:
        """Give the record of the next input, as it would be now.

        What was touched meanwhile is in it, even if it was let go of again, and so are all presses.
        """
        return self._layout.merged(self._held, self._tapped)

    def take(self) -> int:
        """Give the record of an input; what comes after it has other presses."""
        record = self.peek()
        self._tapped = 0
        return record

    def forget(self) -> None:
        """Forget what was pressed, but not what is held."""
        self._tapped = 0


class Inputs:
    """Numbering, schedule and latency of the own inputs.

    Attributes:
        made: number of the newest input; some before it were skipped.
        skipped: client ticks whose input was never made, after a stall.
    """

    def __init__(self, tick_s: float, first_at: float, limits: Limits = LIMITS) -> None:
        self._limits = limits
        self._tick_s = tick_s
        self._pace = Pace(tick_s, limits)
        self._first_at = first_at
        self._index = 0
        self._made_at: deque[float] = deque(maxlen=limits.inputs)
        self._answered: tuple[int, int] | None = None
        # The authority's tick less its input's number, when it last took one input in a tick.
        self._lag: int | None = None
        self._unanswered: deque[Entry] = deque(maxlen=limits.inputs)
        self._awaited: deque[tuple[int, float]] = deque()
        self._latencies_s: deque[float] = deque(maxlen=limits.samples)
        self._lateness_s: deque[float] = deque(maxlen=limits.samples)
        self._sent = 0
        self.made = 0
        self.skipped = 0

    @property
    def next_at(self) -> float:
        """When the next input is due, monotonic seconds."""
        return self._first_at + self._index * self._tick_s

    def go_on(self, now: float) -> None:
        """Make the next input now: time has passed for which none was due."""
        self._first_at = now - self._index * self._tick_s
        self._pace.restart()

    def press(self, keys: Keys, now: float) -> list[Entry]:
        """Make the inputs that are due; after a long stall only the newest few.

        Args:
            keys: what is held, and was pressed since the newest input.
            now: monotonic seconds.
        """
        due = int((now - self.next_at) / self._tick_s) + 1 if now >= self.next_at else 0
        skipped = max(0, due - self._limits.ticks_catch_up)
        self.skipped += skipped
        pressed = []
        for number in range(due):
            at, shift_s = self.next_at, self._pace.next_shift_s()
            self._index += 1
            self._first_at += shift_s
            self.made += 1
            self._made_at.append(at)
            self._awaited.append((self.made, at))
            self._lateness_s.append(now - at)
            if number >= skipped:
                pressed.append(Entry(self.made, keys.take(), at, self._tick_s + shift_s))
        if skipped:
            self._unanswered.clear()  # a message has no gaps, and the ticks of those are over
        self._unanswered.extend(pressed)
        while len(self._awaited) > self._limits.inputs:
            self._latencies_s.append(now - self._awaited.popleft()[1])
        return pressed

    def restore(self, low_bits: int) -> int:
        """Give the number of an input with these 16 low bits, the one nearest to the newest."""
        return self.made + (low_bits - self.made + (1 << 15)) % (1 << 16) - (1 << 15)

    def answer(self, input_seq: int, now: float) -> None:
        """The authority's state now has all inputs up to `input_seq` applied.

        Those that have not been sent yet are only guessed in it, and have no answer.
        """
        answered = min(input_seq, self._sent)
        while self._unanswered and self._unanswered[0].seq <= answered:
            self._unanswered.popleft()
        while self._awaited and self._awaited[0][0] <= answered:
            self._latencies_s.append(now - self._awaited.popleft()[1])

    def keep_pace(self, tick: int, input_seq: int, early: float | None) -> None:
        """Make the next inputs sooner or later, by how early others have come.

        The next input has the next tick as long as the authority takes one in each. Of a tick in
        which it took none or several, nothing follows for the inputs to come.

        Args:
            tick: of a state of the authority; one that is not newer than all before is ignored.
            input_seq: the newest input in it.
            early: how early one came that had come since the tick before, in ticks; or None.
        """
        if self._answered is not None and tick <= self._answered[0]:
            return
        before, self._answered = self._answered, (tick, input_seq)
        if before is None or tick - before[0] != input_seq - before[1]:
            self._pace.hold()
            return
        self._lag = tick - input_seq
        if early is not None:
            # Each tick has its own input, and this one came less than a tick before another.
            came = input_seq + math.floor(early)
            if 0 <= self.made - came < len(self._made_at):
                made_at = self._made_at[came - self.made - 1]
                self._pace.observe(tick + came - input_seq, made_at, early)
        self._pace.steer(tick + self.made + 1 - input_seq, self.next_at)

    def due(self, tick: int, input_seq: int) -> int:
        """Tell up to which input the authority flies none any more.

        Those that were due while it flew by none are jumped over when they come.

        Args:
            tick: of a state of the authority.
            input_seq: the newest input in it.
        """
        return input_seq if self._lag is None else max(input_seq, tick - self._lag)

    def answer_untrusted(self, input_seq: int, now: float) -> None:
        """As `answer`, for a number that came from the server.

        A shard guesses inputs that are still to be made, when they come late.

        Raises:
            WireError: the input is further ahead than anybody guesses.
        """
        if input_seq > self.made + self._limits.inputs:
            raise WireError(f"input {input_seq} was never made")
        self.answer(input_seq, now)

    def abandon(self, now: float) -> None:
        """Nobody will answer what is under way (another entity is flown): it counts at its age."""
        self._sent = self.made
        self.answer(self.made, now)
        self._answered = self._lag = None

    def message(self, control_epoch: int) -> Input | None:
        """Message with the newest unanswered inputs, None when all are answered."""
        count = min(len(self._unanswered), CONTROLS_PER_MESSAGE_MAX)
        if not count:
            return None
        self._sent = self.made
        newest = list(islice(self._unanswered, len(self._unanswered) - count, None))
        return Input(control_epoch, newest[0].seq, tuple(entry.record for entry in newest))

    def take_latencies(self) -> list[float]:
        """Drain the latencies measured since the last call, seconds."""
        taken = list(self._latencies_s)
        self._latencies_s.clear()
        return taken

    def take_lateness(self) -> list[float]:
        """Drain how late each input was made, seconds after its schedule."""
        taken = list(self._lateness_s)
        self._lateness_s.clear()
        return taken

    def unanswered_ages(self, now: float) -> list[float]:
        """How long each unanswered tick has been waiting, seconds."""
        return [now - at for _, at in self._awaited]

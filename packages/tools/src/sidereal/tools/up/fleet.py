"""The shards of a world, as processes: started, kept running, and tried with other code.

A *member* of the fleet is a name, under which one process runs at a time. A regular one is started
again when its process dies. One on trial is so only if something outside has ended it: if it fails
by itself, the trial has failed. One that rests is not started again: its code may be nowhere any
more but in its memory.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Final

import trio

from sidereal.tools.publish import read_announced
from sidereal.tools.up.children import Child
from sidereal.tools.up.restarts import FOR_FIRST_SHARDS, FOR_SHARDS, FOR_TRIALS, Restarts

SPARE: Final = "--spare"

Make = Callable[[str, bool, Callable[[str], None]], Child]
"""Makes the process of a shard: of its name, whether it is a spare, and who hears its lines."""


class Member:
    """One shard.

    Attributes:
        name: of the shard.
        child: its process.
        restarts: when that is started again.
        spare: whether it is one of the spares of the world, as far as is said of it.
        serves: set when the server has welcomed it.
        rests: set when it waits as a spare, as it was told, and when it has ended.
        over: set when it is not started again.
    """

    def __init__(self, name: str, make: Make, restarts: Restarts, *, spare: bool) -> None:
        """Prepare a shard."""
        self.name = name
        self.child = make(name, spare, self._hear)
        self.restarts = restarts
        self.spare = spare
        self.serves = trio.Event()
        self.rests = trio.Event()
        self.over = trio.Event()
        self.scope = trio.CancelScope()

    @property
    def on_trial(self) -> bool:
        """Whether it has other code than those before it, and that is not known to work."""
        return self.restarts.limits is FOR_TRIALS

    @property
    def resting(self) -> bool:
        """Whether it was told to rest."""
        return not self.restarts.wanted

    def rest(self) -> None:
        """Let others take what it has, and let it wait as a spare then."""
        self.restarts.wanted = False
        self.child.tell("rest")
        if not self.child.runs:
            self.rests.set()

    def come_back(self) -> None:
        """Be again what it was before it was told to rest."""
        self.restarts.wanted, self.rests = True, trio.Event()
        if not self.spare:
            self.child.tell("serve")

    def stand_in_for(self, other: Member) -> None:
        """Be what another one was."""
        self.spare = other.spare
        if not self.spare:
            self.child.tell("serve")
            self.child.arguments.remove(SPARE)

    def _hear(self, line: str) -> None:
        said = read_announced(line)
        if said.get("name") == self.name:
            self.serves.set()
        if said.get("rests"):
            self.rests.set()


class Fleet:
    """All shards of a world.

    Attributes:
        members: in the order in which they were started.
        failure: set when a shard on trial has failed.
        why: in words.
    """

    def __init__(
        self,
        nursery: trio.Nursery,
        make: Make,
        died: Callable[[str], None],
        lost: Callable[[Child, int], None],
    ) -> None:
        """Begin without a shard.

        Args:
            nursery: in which shards run.
            make: makes the process of a shard.
            died: is told of each death when the next life begins.
            lost: is told of a regular shard that can't be kept running, and of its exit status.
        """
        self.members: list[Member] = []
        self.failure = trio.Event()
        self.why = ""
        self._nursery = nursery
        self._make = make
        self._died = died
        self._lost = lost

    def start(self, *, spare: bool = False, first: bool = False) -> Member:
        """Start a regular shard.

        Args:
            spare: whether it is one of the spares of the world.
            first: whether the world is not ready without it: until it is kept, it may fail a few
                times only.
        """
        return self._start(Restarts(FOR_FIRST_SHARDS if first else FOR_SHARDS), spare=spare)

    def try_out(self) -> Member:
        """Start a shard on trial, as a spare."""
        return self._start(Restarts(FOR_TRIALS), spare=True)

    def keep(self, members: list[Member]) -> None:
        """Make regular ones of shards that were on trial, or the first ones of the world."""
        for member in members:
            member.restarts.limits = FOR_SHARDS

    async def end(self, members: list[Member]) -> None:
        """End shards in order, and wait until they have ended."""
        for member in members:
            member.scope.cancel()
        for member in members:
            await member.over.wait()

    def begin_trial(self) -> None:
        """Forget the failures of the trial before."""
        self.failure, self.why = trio.Event(), ""

    def _start(self, restarts: Restarts, *, spare: bool) -> Member:
        taken = {member.name for member in self.members}
        name = next(name for number in count(1) if (name := f"shard-{number}") not in taken)
        member = Member(name, self._make, restarts, spare=spare)
        self.members.append(member)
        self._nursery.start_soon(self._keep, member)
        return member

    async def _keep(self, member: Member) -> None:
        with member.scope:
            status = await member.child.keep_running(member.restarts, self._died)
            if member.on_trial:
                self.why = self.why or member.child.describe(status)
                self.failure.set()
            elif member.restarts.wanted:
                self._lost(member.child, status)
        self.members.remove(member)
        member.over.set()
        member.rests.set()

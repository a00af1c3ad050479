"""Messages between the replication server and a shard.

Proposals, ghosts and pilots' inputs do not pass through here: they are packed, on channels of
their own (see `proposals` and `records` in `sidereal.protocol.state`, and `inputs`).
"""

from __future__ import annotations

import enum
from typing import Annotated

import msgspec

from sidereal.protocol.limits import ASKED_SIZE_MAX, CODE_NAME_SIZE_MAX, NOTICE_SIZE_MAX
from sidereal.protocol.message.player import (
    U16,
    U32,
    ActionName,
    Digest,
    Name,
    Refused,
    Words,
    _Message,
)
from sidereal.protocol.rules import Rules

CodeName = Annotated[str, msgspec.Meta(max_length=CODE_NAME_SIZE_MAX)]


class ShardChannel(enum.IntEnum):
    """Channels of the shard link, in the order both ends list them."""

    PROPOSAL = 0
    """Unreliable, tracked: who is new, what has changed, who is gone, shard to server."""
    GHOST = 1
    """Unreliable, tracked: rows owned elsewhere near the border, server to shard."""
    BEAT = 2
    """Unreliable sequenced: `Beat` to the shard, `Load` from it."""
    CONTROLS = 3
    """Unreliable: inputs, server to shard; of several pilots: none replaces another."""
    LEASE = 4
    """Reliable ordered: everything else, both ways."""


class ShardHello(_Message, frozen=True, tag=32):
    """First message of a shard.

    Names are unique among the shards that are connected. Of two sessions of one name the newer one
    stays: of one process that with the higher number, of two processes the one that says hello
    later.

    Attributes:
        incarnation: of the process, new at every start of it.
        session: number of the session among those of the process.
        pid: process id, for people.
        code: of the game's source; what failed under one is not given to it again.
        spare: whether it is to wait until another shard is gone, and take over from that.
    """

    schema_hash: Digest
    name: Name
    incarnation: Digest
    session: U32
    pid: U32
    code: Digest
    spare: bool


class ShardWelcome(_Message, frozen=True, tag=33):
    """Answer to `ShardHello`: the shard's id and the rules of this world."""

    shard: U16
    rules: Rules
    tick: U32


class Grant(_Message, frozen=True, tag=34):
    """The shard simulates these sectors from now on.

    Attributes:
        rows: `LEASE_ROW`[n]; of a `Grant` and a `Revoke` of one sector the one with the higher
            epoch is newer. Proposals are fenced by the epochs of entities, not by these.
    """

    tick: U32
    rows: bytes


class Revoke(_Message, frozen=True, tag=35):
    """The shard no longer simulates these sectors; rows as in `Grant`."""

    tick: U32
    rows: bytes


class Adopt(_Message, frozen=True, tag=36):
    """These entities are the shard's from now on.

    Attributes:
        tick: the handover's tick.
        rows: `Schema.full_record`[n], each as of its own tick; compressed as they travel.
        inputs: `INPUT_ROW`[m], what the pilots of these have held since then (from the input
            on that is the newest in the row, if it is known), in order. The new owner flies them
            from the row's tick to its own.
    """

    tick: U32
    rows: bytes
    inputs: bytes


class Release(_Message, frozen=True, tag=37):
    """These entities are no longer the shard's, or no longer its ghosts.

    Bodies below the epoch are void, and so are ghosts below it that were sent no later than `tick`:
    an entity that comes back under the same epoch is a ghost again.

    Attributes:
        rows: uint32[n, 2] little-endian: net id and the epoch from which it is not theirs.
    """

    tick: U32
    rows: bytes


class Beat(_Message, frozen=True, tag=38):
    """The replication server's clock, once per tick (unreliable).

    Attributes:
        tick: the tick the server has just begun.
        lead_us: how long before that the shard's newest proposal had come, microseconds;
            negative when it came too late for its tick.
    """

    tick: U32
    lead_us: int


class GrantIds(_Message, frozen=True, tag=43):
    """Network ids that the shard alone may give to what it spawns, each once.

    Attributes:
        first: the lowest of them.
        count: how many there are, one after the other.
    """

    first: U32
    count: U32


class Load(_Message, frozen=True, tag=40):
    """How the shard is doing, about once a second.

    Attributes:
        step_us: uint32[n] little-endian: the last ticks' durations, microseconds.
        slowest: the model or system that takes longest; empty if there is none.
        slowest_us: how long it takes per tick, microseconds.
        shadows: ghosts that have bodies now.
        shadow_impulse: with which these have pushed its own since the session began, t unit/s.
    """

    tick: U32
    entities: U32
    ghosts: U32
    guests: U32
    cpu_permille: U32
    private_bytes: int
    step_us: bytes
    slowest: CodeName
    slowest_us: U32
    shadows: U32
    shadow_impulse: int


class Farewell(_Message, frozen=True, tag=41):
    """The shard is leaving on purpose: take its leases now, do not wait for silence.

    Attributes:
        what: the model or system that went wrong, if that is why it leaves; else empty.
        why: in words, for people; else empty.
    """

    what: CodeName
    why: Words


class Asked(_Message, frozen=True, tag=46):
    """A system asks for an action on behalf of entities that the shard simulates.

    Attributes:
        action: its name, with its part.
        rows: `ASKED_ROW`[n].
        arguments: MessagePack of an array of n arrays, in the order of the action's arguments.
    """

    action: ActionName
    rows: bytes
    arguments: Annotated[bytes, msgspec.Meta(max_length=ASKED_SIZE_MAX)]


class Adopted(_Message, frozen=True, tag=42):
    """The shard simulates what it was given: the server may give it as much again.

    Attributes:
        rows: of all `Adopt` messages of this session so far, modulo 2^32.
    """

    rows: U32


class AskIds(_Message, frozen=True, tag=44):
    """Half of the ids that the shard was granted last have been given: it asks for more.

    From here on it gives none of those that it was granted before these.
    """


class Amend(_Message, frozen=True, tag=45):
    """What the authority has decided of entities that the shard simulates.

    Attributes:
        rows: `Schema.full_record`[n]; of each only those components count that shards do not write:
            whether the entity has them, and their values. A row of another epoch is void.
    """

    tick: U32
    rows: bytes


class Drain(_Message, frozen=True, tag=47):
    """The shard is to leave: what it simulates is to go to others, and it goes on meanwhile."""


class Dismiss(_Message, frozen=True, tag=48):
    """A shard that is to leave may: nothing is its any more, or nobody can take it.

    It answers with a `Farewell`, behind what it has still to say.
    """


class Shadows(_Message, frozen=True, tag=49):
    """These ghosts have bodies, and no others: an island was cut between them and the shard's own.

    Attributes:
        rows: `SHADOW_ROW`[n]; of some the shard may have no record yet.
    """

    tick: U32
    rows: bytes


def printable(text: str, size_max: int) -> str:
    """Make a text that may be sent: cut, and without what a log or a terminal can't show."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:size_max])


def make_farewell(what: str, why: str) -> Farewell:
    """Make a farewell of texts of any kind."""
    return Farewell(printable(what, CODE_NAME_SIZE_MAX), printable(why, NOTICE_SIZE_MAX))


ShardMessage = ShardHello | Load | Farewell | Adopted | Asked | AskIds | Drain
"""What a shard may send."""

AuthorityMessage = (
    ShardWelcome
    | Refused
    | Grant
    | Revoke
    | Adopt
    | Release
    | Beat
    | GrantIds
    | Amend
    | Dismiss
    | Shadows
)
"""What a shard may be sent, besides inputs."""

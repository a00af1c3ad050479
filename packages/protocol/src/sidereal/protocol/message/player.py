"""Messages between the replication server and a client.

What passes every tick is packed, and has channels of its own: snapshots (see
`sidereal.protocol.state.stream`) and inputs (see `sidereal.protocol.message.inputs`).
"""

from __future__ import annotations

import enum
from typing import Annotated

import msgspec

from sidereal.protocol import limits
from sidereal.protocol.rules import Rules

U16 = Annotated[int, msgspec.Meta(ge=0, le=0xFFFF)]
U32 = Annotated[int, msgspec.Meta(ge=0, le=0xFFFF_FFFF)]
I32 = Annotated[int, msgspec.Meta(ge=-(1 << 31), le=(1 << 31) - 1)]
Coordinate = Annotated[float, msgspec.Meta(ge=-3e12, le=3e12)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=limits.NAME_SIZE_MAX)]
Words = Annotated[str, msgspec.Meta(max_length=limits.NOTICE_SIZE_MAX)]
Described = Annotated[bytes, msgspec.Meta(max_length=limits.DESCRIPTION_SIZE_MAX)]
Digest = Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]
CallKey = Annotated[
    bytes, msgspec.Meta(min_length=limits.CALL_KEY_SIZE, max_length=limits.CALL_KEY_SIZE)
]
ActionName = Annotated[str, msgspec.Meta(min_length=1, max_length=limits.ACTION_NAME_SIZE_MAX)]
Arguments = Annotated[bytes, msgspec.Meta(max_length=limits.ARGUMENTS_SIZE_MAX)]


class PlayerChannel(enum.IntEnum):
    """Channels of the client link, in the order both ends list them."""

    SNAPSHOT = 0
    """Unreliable, tracked: packed columns, server to client."""
    CONTROLS = 1
    """Unreliable sequenced: inputs, client to server, packed."""
    COMMAND = 2
    """Reliable ordered: everything else, both ways."""
    LEASES = 3
    """Unreliable sequenced, tracked: `Leases`, server to client."""


class Role(enum.IntEnum):
    """What a session may do; carried in the connect token's user data."""

    PLAYER = 1
    OBSERVER = 2
    OPERATOR = 3


class _Message(msgspec.Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    pass


class Hello(_Message, frozen=True, tag=1):
    """First message of a client: which schema it speaks, and who it is."""

    schema_hash: Digest
    software: Name


class Welcome(_Message, frozen=True, tag=2):
    """Answer to `Hello`: the rules of this world and the tick it is at."""

    schema_hash: Digest
    rules: Rules
    tick: U32
    account: int
    role: U16
    name: Annotated[str, msgspec.Meta(max_length=limits.NAME_SIZE_MAX)]


class Refused(_Message, frozen=True, tag=3):
    """The session ends.

    Attributes:
        reason: a `CloseReason`.
        text: for people.
        description: of the world, if the other end's schema is another one; else empty. See
            `sidereal.protocol.state.description`.
    """

    reason: U16
    text: Words
    description: Described = b""


class Assigned(_Message, frozen=True, tag=4):
    """The client flies this entity from now on; its controls carry the control epoch."""

    net_id: U32
    control_epoch: U32
    tick: U32


class LookAt(_Message, frozen=True, tag=6):
    """An observer (or operator) moves the centre of its interest there."""

    x: Coordinate
    y: Coordinate


class Leases(_Message, frozen=True, tag=7):
    """Who simulates the sectors around a client: what has changed since it last acked (unreliable).

    The newest message counts; with what was acked before, it says all there is to know of the
    square, and nothing of what is outside.

    Attributes:
        tick: when this is true.
        sector_x: middle of the square; likewise `sector_y`.
        radius: sectors from the middle to the edge of the square.
        rows: `HOLDER_ROW`[n], see `sidereal.protocol.message.codec`.
    """

    tick: U32
    sector_x: I32
    sector_y: I32
    radius: Annotated[int, msgspec.Meta(ge=0, le=limits.LEASE_RADIUS_MAX)]
    rows: bytes


class Call(_Message, frozen=True, tag=8):
    """A client asks for an action of the game.

    Attributes:
        key: random, another one for every call; a call that is repeated has the same.
        action: its name, with its part.
        arguments: MessagePack of an array, in the order of the action's arguments.
    """

    key: CallKey
    action: ActionName
    arguments: Arguments


class Notice(_Message, frozen=True, tag=9):
    """A line for the person at the client: what happened and what it means."""

    text: Words


class Standstill(_Message, frozen=True, tag=10):
    """The world stands still after this tick: nobody simulates it. It goes on with the next tick.

    Until a newer snapshot comes nothing is to be extrapolated beyond the tick.
    """

    tick: U32


class Outcome(enum.IntEnum):
    """What has become of a call."""

    DONE = 0
    REFUSED = 1
    """It was judged, and nothing of it happened; asked again, it is answered alike."""
    NOT_NOW = 2
    """It was not looked at; the same call may be sent again later."""


class Receipt(_Message, frozen=True, tag=11):
    """The answer to a `Call`: what has become of it, and if it is not done, why, in words."""

    key: CallKey
    outcome: Outcome
    text: Words


class Told(_Message, frozen=True, tag=12):
    """A line that the game tells people; what players say to each other, too."""

    text: Words


class Values(_Message, frozen=True, tag=13):
    """A component of what has no place: of the client's account, or of the world.

    Attributes:
        shared: whether it is the world's, which all are told; else the account's.
        component: its number in the schema.
        row: its fields as in memory, packed.
    """

    shared: bool
    component: U16
    row: Annotated[bytes, msgspec.Meta(max_length=limits.UNRELIABLE_SIZE_MAX)]


ClientMessage = Hello | LookAt | Call
"""What a client may send, besides inputs."""

ServerMessage = (
    Welcome | Refused | Assigned | Leases | Notice | Standstill | Receipt | Told | Values
)
"""What a client may be sent."""

"""What the messages of a link come to, at each of its ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

from .bodies import Proposed, Simulated, read_ghosts, read_proposal
from .fields import Rules
from .holders import Holders, read_square
from .inputs import Codes, read_input, read_routed_input
from .messages import CLIENT_LINK, SHARD_LINK, Message, read_message
from .octets import require
from .replica import Replica
from .rows import EventSort, World
from .snapshots import Grid, read_snapshot, read_tick

ANSWERS: Final = 2
"""The channel on which a client is welcomed or refused."""
SNAPSHOTS_KEPT: Final = 256
"""That came before the Welcome."""


class Overfull(Exception):
    """More came before the Welcome than can be kept: the session ends (close reason 6)."""


class Reader(Protocol):
    """Makes something of the messages that come to one end of a link."""

    def take(self, channel: int, body: bytes) -> Any:
        """Take a message.

        Raises:
            Malformed: it is to be dropped.
        """


class ToServer:
    """What a client says."""

    def __init__(self, codes: Codes) -> None:
        self._codes = codes

    def take(self, channel: int, body: bytes) -> Message:
        """Take a message of a client."""
        if channel == 1:
            return read_input(body, self._codes)
        return read_message(CLIENT_LINK, channel, False, body)


class ToClient:
    """What a client is told.

    Attributes:
        welcome: the message, as soon as it has come.
        replica: of the world, from then on.
        holders: the shards that simulate the sectors around.
        refused: why it was turned away, if it was.
        description: of the world, if it was told.
    """

    def __init__(self, world: World) -> None:
        self.welcome: Message | None = None
        self.replica: Replica | None = None
        self.holders: Holders = {}
        self.refused: int | None = None
        self.description = b""
        self._world = world
        self._kept: list[bytes] = []
        self._leases_tick = -1

    def take(self, channel: int, body: bytes) -> Message:
        """Take a message for a client.

        Raises:
            Overfull: too many snapshots came before the Welcome.
        """
        if channel == 0:
            return self._take_snapshot(body)
        message = read_message(CLIENT_LINK, channel, True, body)
        name = message["message"]
        require(name != "Welcome" or self.welcome is None, "welcomed twice")
        if channel == ANSWERS and self.welcome is None:
            require(name in ("Welcome", "Refused"), "something ahead of the Welcome")
        match name:
            case "Welcome":
                self._begin(message)
            case "Leases" if message["tick"] >= self._leases_tick:
                self.holders = read_square(message, self.holders)
                self._leases_tick = message["tick"]
            case "Refused":
                self.refused, self.description = message["reason"], message["description"]
        return message

    def _begin(self, welcome: Message) -> None:
        rules: Rules = welcome["rules"]
        reorder, tombstones, _ = rules.ages
        self.welcome = welcome
        self._grid = Grid(rules.cell_size, rules.cells_per_sector, rules.view_radius)
        self.replica = Replica(self._grid, reorder, tombstones, rules.tick_hz)
        kept, self._kept = self._kept, []
        for body in kept:
            self._take_snapshot(body)

    def _take_snapshot(self, body: bytes) -> Message:
        if self.replica is None:
            if len(self._kept) == SNAPSHOTS_KEPT:
                raise Overfull
            self._kept.append(body)
            return {"message": "Snapshot", "tick": read_tick(body)}
        snapshot = read_snapshot(body, self._grid, self._world)
        self.replica.take(snapshot)
        return {"message": "Snapshot", "tick": snapshot.tick}


class FromShard:
    """What a shard says.

    Attributes:
        proposed: what it proposed.
    """

    def __init__(self, events: Mapping[int, EventSort], followers: frozenset[int]) -> None:
        self.proposed = Proposed(followers)
        self._events = events

    def take(self, channel: int, body: bytes) -> Message:
        """Take a message of a shard."""
        if channel != 0:
            return read_message(SHARD_LINK, channel, False, body)
        proposal = read_proposal(body, self._events)
        self.proposed.take(proposal)
        return {"message": "Proposals", "tick": proposal.tick, "runs": proposal.runs}


class ToShard:
    """What a shard is told.

    Attributes:
        simulated: its entities and ghosts, once it is welcome.
    """

    def __init__(self, codes: Codes) -> None:
        self.simulated = Simulated()
        self._codes = codes

    def take(self, channel: int, body: bytes) -> Message:
        """Take a message for a shard."""
        if channel == 1:
            ghosts = read_ghosts(body)
            self.simulated.take_ghosts(ghosts)
            return {"message": "Ghosts", "tick": ghosts.tick, "rows": ghosts.bodies}
        if channel == 3:
            return read_routed_input(body, self._codes)
        message = read_message(SHARD_LINK, channel, True, body)
        match message["message"]:
            case "ShardWelcome":
                self.simulated.reorder_ticks = message["rules"].ages[0]
            case "Adopt":
                self.simulated.adopt(message["records"])
            case "Release":
                self.simulated.release(message["tick"], message["entities"])
        return message


def plain(value: Any) -> Any:
    """Make something of texts, numbers, lists and dictionaries alone; bytes in hexadecimal."""
    match value:
        case bytes():
            return value.hex()
        case dict():
            return {name: plain(each) for name, each in value.items()}
        case list() | tuple():
            return [plain(each) for each in value]
    return value

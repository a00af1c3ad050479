"""What messages say, by link and direction, as plain values."""

from __future__ import annotations

from typing import Any, Final, Protocol

from .bodies import Body, Simulated, read_ghosts, read_proposal, read_records
from .holders import Sector, read_square
from .inputs import Codes, read_input, read_routed_input
from .messages import CLIENT_LINK, SHARD_LINK, Message, Rules, read_message
from .octets import Malformed, text_of
from .replica import Replica
from .snapshots import NO_EVENTS, Events, Grid, read_snapshot

SNAPSHOT, PROPOSAL, GHOST = 0, 0, 1
CONTROLS, ROUTED = 1, 3
EARLY_MAX: Final = 256


class Reader(Protocol):
    """Takes the messages that arrive at one end of a link, in their order."""

    def take(self, channel: int, body: bytes) -> Message:
        """Read a message and do what it says."""
        ...


def plain(value: Any) -> Any:
    """Give a value as JSON has it: bytes in hexadecimal, tuples as lists."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    return value


class ToServer:
    """What clients say."""

    def __init__(self, codes: Codes) -> None:
        self._codes = codes

    def take(self, channel: int, body: bytes) -> Message:
        """Read a message."""
        if channel == CONTROLS:
            return read_input(body, self._codes)
        return read_message(CLIENT_LINK, channel, False, body)


class ToClient:
    """What clients are sent, and the picture that comes of it; `events` are those of the game.

    Attributes:
        welcome: None before it came; then there is a `replica`.
        ship: id and control epoch of the ship that the client flies.
        refused: the close reason, if there was one.
        description: of the world, if that was the reason.
        holders: which shard simulates which sector, as far as is known.
    """

    def __init__(self, events: Events = NO_EVENTS) -> None:
        self._events = events
        self.welcome: Message | None = None
        self.replica: Replica | None = None
        self.ship: tuple[int, int] | None = None
        self.refused: int | None = None
        self.description = b""
        self.holders: dict[Sector, int] = {}
        self._early: list[bytes] = []
        self._grid: Grid | None = None

    def take(self, channel: int, body: bytes) -> Message:
        """Read a message and do what it says; an early snapshot waits for the welcome."""
        if channel == SNAPSHOT:
            return self._take_snapshot(body)
        message = read_message(CLIENT_LINK, channel, True, body)
        match message["message"]:
            case "Welcome":
                self._join(message)
            case "Refused":
                self.refused, self.description = message["reason"], message["description"]
            case "Leases":
                self.holders = read_square(message, self.holders)
            case _ if self.welcome is None:
                raise Malformed(f"{message['message']} before the welcome")
            case "Assigned":
                self.ship = message["id"], message["control_epoch"]
        return message

    def _join(self, welcome: Message) -> None:
        if self.welcome is not None:
            raise Malformed("welcomed twice")
        rules: Rules = welcome["rules"]
        self.welcome = welcome
        self._grid = Grid(rules.cell_size, rules.cells_per_sector, rules.view_radius)
        self.replica = Replica(
            self._grid, rules.reorder_ticks, rules.tombstone_ticks, rules.tick_hz
        )
        early, self._early = self._early, []
        for body in early:
            self._take_snapshot(body)

    def _take_snapshot(self, body: bytes) -> Message:
        if self._grid is None or self.replica is None:
            if len(self._early) == EARLY_MAX:
                raise Malformed("snapshots without end before the welcome")
            self._early.append(body)
            return {"message": "Snapshot", "tick": int.from_bytes(body[4:8], "little")}
        snapshot = read_snapshot(body, self._grid, self._events)
        self.replica.take(snapshot)
        return {"message": "Snapshot", "tick": snapshot.tick}


class ToShard:
    """What a shard is sent, and what it has by that."""

    def __init__(self, codes: Codes) -> None:
        self._codes = codes
        self.simulated = Simulated()

    def take(self, channel: int, body: bytes) -> Message:
        """Read a message and do what it says."""
        if channel == GHOST:
            rows = read_ghosts(body)
            self.simulated.take_ghosts(rows)
            bodies = [list(row) for row in rows.bodies]
            return {"message": "Ghosts", "tick": rows.tick, "rows": bodies}
        if channel == ROUTED:
            return read_routed_input(body, self._codes)
        message = read_message(SHARD_LINK, channel, True, body)
        match message["message"]:
            case "ShardWelcome":
                self.simulated.reorder_ticks = message["rules"].reorder_ticks
            case "Adopt":
                message["records"] = read_records(message["records"])
                self.simulated.adopt(message["records"])
            case "Amend":
                message["records"] = read_records(message["records"])
                self.simulated.amend(message["records"])
            case "Release":
                self.simulated.release(message["entities"], message["tick"])
        return message


class FromShard:
    """What a shard says, and the newest row it proposed of each entity."""

    def __init__(self, events: Events = NO_EVENTS) -> None:
        self._events = events
        self.proposed: dict[int, Body] = {}

    def take(self, channel: int, body: bytes) -> Message:
        """Read a message and do what it says."""
        if channel != PROPOSAL:
            return read_message(SHARD_LINK, channel, False, body)
        proposal = read_proposal(body, self._events)
        for row in proposal.bodies:
            known = self.proposed.get(row.id)
            if known is None or (row.epoch, row.tick) > (known.epoch, known.tick):
                self.proposed[row.id] = row
        runs = [[what, [_plain(row) for row in rows]] for what, rows in proposal.runs]
        return {"message": "Proposals", "tick": proposal.tick, "runs": runs}


def _plain(row: tuple[Any, ...]) -> list[Any]:
    return [text_of(field) if isinstance(field, bytes) else field for field in row]

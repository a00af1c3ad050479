"""A whole cluster in one loop: whatever is due next, be it a datagram, a timer, a tick or a fault.

Nothing here depends on anything but the plan: the world, the authority, every process and every
link has a generator of its own, which follows from the seed and its name. So a draw more in one
leaves the others as they were, and a client that does not come, or a shard, changes no other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple, Protocol, TypeVar

import numpy as np

from sidereal.game import Part
from sidereal.game.declarations import Declarations
from sidereal.game.schema import schema_of
from sidereal.protocol.errors import SiderealError
from sidereal.protocol.links import derive_shard_key
from sidereal.protocol.message.player import Role
from sidereal.protocol.rules import Rules
from sidereal.replication.replicator import Replicator
from sidereal.replication.world import UUID
from sidereal.tools.simulate.authority import SHARDS, Authority
from sidereal.tools.simulate.bookings import Bookings
from sidereal.tools.simulate.clients import ClientProcess, JudgedClient, Seat
from sidereal.tools.simulate.exercise.losses import Losses
from sidereal.tools.simulate.faults import Plan, check_plan
from sidereal.tools.simulate.finish import Finish
from sidereal.tools.simulate.flights import Flight, FlightRecorder
from sidereal.tools.simulate.game import make_game
from sidereal.tools.simulate.ledger import Ledger
from sidereal.tools.simulate.liarclients import Finale, LyingClientProcess
from sidereal.tools.simulate.lies import LIAR_ACCOUNT, Lies
from sidereal.tools.simulate.network import Network
from sidereal.tools.simulate.scene import SECTOR_SIZE, make_belt, make_laws, make_rules
from sidereal.tools.simulate.script import Script
from sidereal.tools.simulate.seeds import random_of
from sidereal.tools.simulate.shards import Recorder, ShardProcess
from sidereal.tools.simulate.stage import Stage, What

TURNS_MAX: Final = 200_000
"""Turns of the loop in one run: more means that something is due for ever."""

ANONYMOUS: Final = 0

CRASHES: Final = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RuntimeError,
    SiderealError,
    TypeError,
    ValueError,
    Warning,
)
"""What a core may end with that is an outcome of the run, to be told and shrunk like any other."""

AnyShard = TypeVar("AnyShard", bound=ShardProcess)


class Violation(NamedTuple):
    """Something that must be true was not."""

    checker: str
    tick: int
    text: str


class Checker(Protocol):
    """Looks at the whole cluster after every tick of the authority, and once at the end."""

    def look(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Say what is wrong after a tick."""
        ...

    def conclude(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Say what is wrong in the end, after the network has healed."""
        ...


class Outcome(NamedTuple):
    """What came of a run.

    Attributes:
        trace: digest of every datagram that arrived.
        violations: those of the first tick that had any; empty for a good run.
        ticks: of the authority.
        datagrams: that arrived.
        handovers: entities that flew from one shard's space into another's.
        rebalanced: entities that changed their shard because their sector did.
    """

    plan: Plan
    trace: str
    violations: tuple[Violation, ...]
    ticks: int
    datagrams: int
    handovers: int
    rebalanced: int


class Cluster:
    """Everything that runs, and what runs it.

    Attributes:
        plan: what is to happen.
        laws: how everything moves in the game that is the simulator's own.
        game: that is played.
        schema: its columns.
        authority: the replication server.
        shards: shard processes, those that ended too.
        clients: pilots, then observers.
        strangers: clients that lie.
        uuids: of the entities that the world began with, sorted.
        rocks: these entities by uuid, `Schema.full_record` each, as they were at tick 0.
        removed: when those of them were taken out of the world that were, by uuid, virtual seconds.
        flights: what shards flew, tick by tick.
        ledger: what clients held.
        bookings: what clients asked the game for.
        lies: what liars have said.
        exercised: how often what happened that is worth counting.
        limits_met: how often checkers saw a limit being met.
    """

    def __init__(self, plan: Plan, checkers: Sequence[Checker]) -> None:
        check_plan(plan)
        self.plan = plan
        self.rules = self._make_rules()
        self.laws = make_laws(self.rules, plan.sectors_per_side, families=plan.families)
        self.game = self._declare()
        self.schema = schema_of(self.game)
        self._checkers = checkers
        self._violations: list[Violation] = []
        self._shard_key = derive_shard_key("5e" * 16)
        self.ledger = Ledger()
        self.bookings = Bookings()
        self.network = Network(plan.link, plan.seed, Losses(self.schema, self.rules))
        self.authority = Authority(
            self.network,
            random_of(plan.seed, "authority"),
            shard_key=self._shard_key,
            game=self.game,
            rules=self.rules,
            limits=plan.limits,
            ledger=self.ledger,
        )
        records, uuids = self._make_world()
        self.authority.store.found(records, uuids)
        self.authority.start(0.0)
        self.uuids = np.sort(uuids)
        self.rocks = {key.tobytes(): rock for key, rock in zip(uuids, records, strict=True)}
        self.removed: dict[bytes, float] = {}
        self.flights: list[Flight] = []
        self.lies = Lies()
        self.exercised: Counter[str] = Counter()
        self.limits_met: Counter[str] = Counter()
        self._stage = Stage(self.network, self.authority)
        self.strangers: list[LyingClientProcess] = []
        self.shards: list[ShardProcess] = []
        for number in range(plan.shards):
            self.add_shard(ShardProcess, f"shard-{number}")
        self.clients: list[JudgedClient] = [
            self._make_client(number, Role.PLAYER if number < plan.pilots else Role.OBSERVER)
            for number in range(plan.pilots + plan.observers)
        ]
        for number, shard in enumerate(self.shards):
            shard.start(0.01 * number)
        for number, client in enumerate(self.clients):
            client.come(0.2 + 0.05 * number)
        for client in self.clients:
            self._stage.add(client)
        self._script = Script(self)
        self._finish = Finish(plan, self.clients, self.shards)

    def run(self) -> Outcome:
        """Play the plan until its end, or until a checker finds something."""
        turns = 0
        while not self._violations and self._turn():
            turns += 1
            if turns > TURNS_MAX:
                self._violations.append(Violation("Progress", -1, f"stuck at {self.now} s"))
        core = self.authority.core
        if core is not None and not self._violations:
            self._ask(core, lambda checker: checker.conclude(self, core))
        return Outcome(
            self.plan,
            self.network.trace,
            tuple(self._violations),
            0 if core is None else core.tick,
            self.network.delivered,
            0 if core is None else core.mesh.handovers,
            0 if core is None else core.mesh.rebalanced,
        )

    @property
    def now(self) -> float:
        """Virtual seconds."""
        return self._stage.now

    # -- the loop -----------------------------------------------------------------------------

    def _turn(self) -> bool:
        """Do what is due next; false at the end."""
        due, script_at = self._stage.next(), self._script.next_at
        # Of what is due at the same time the script comes first.
        acts = script_at <= due.at
        ticks = not acts and due.what is What.TICK
        if self._finish.is_reached(min(script_at, due.at), ticks=ticks):
            return False
        try:
            ticked = self._act(script_at) if acts else self._stage.do(due)
        except CRASHES as error:
            self._violations.append(Violation("Crash", -1, _describe_crash(error)))
            return False
        core = self.authority.core
        if ticked and core is not None:
            self._finish.note_tick(core, self.now)
            self._ask(core, lambda checker: checker.look(self, core))
        return True

    def _act(self, at: float) -> bool:
        """Let happen what the script says."""
        self._stage.now = max(self.now, at)
        self._script.act()
        return False

    def _ask(self, core: Replicator, question: Callable[[Checker], Iterator[str]]) -> None:
        for checker in self._checkers:
            for text in question(checker):
                name = getattr(checker, "name", type(checker).__name__)
                self._violations.append(Violation(name, core.tick, text))

    # -- who takes part -----------------------------------------------------------------------

    def add_shard(self, process: type[AnyShard], name: str, **more: Any) -> AnyShard:
        """Let one more shard process take part; it has yet to be started."""
        shard = process(
            name,
            f"198.51.100.{1 + len(self.shards)}",
            self.network,
            random_of(self.plan.seed, f"shard {len(self.shards)}"),
            key=self._shard_key,
            server=SHARDS,
            declare=self._declare,
            record=self._record,
            ledger=self.ledger,
            limits=self.plan.shard_limits,
            **more,
        )
        self.shards.append(shard)
        self._stage.add(shard)
        return shard

    def remove_rock(self, number: int) -> None:
        """Take a rock out of the world for good."""
        core = self.authority.core
        if core is None:
            return
        uuid = list(self.rocks)[number]
        rows = core.world.columns.rows()
        rows = rows[[core.world.uuid[row].tobytes() == uuid for row in rows.tolist()]]
        core.remove(rows)
        self.removed[uuid] = self.now

    def add_liar(self, finale: Finale, raves_from: float) -> LyingClientProcess:
        """Let a client take part that lies; it has yet to come."""
        liar = LyingClientProcess(
            "client-liar",
            f"203.0.113.{101 + len(self.strangers)}",
            self.network,
            random_of(self.plan.seed, f"liar {len(self.strangers)}"),
            finale=finale,
            raves_from=raves_from,
            schema=self.schema,
            sees_gaps=not self.plan.lossy,
            lies=self.lies,
            sign_in=self._sign_in_liar,
        )
        self.strangers.append(liar)
        self._stage.add(liar)
        return liar

    # -- what is played -----------------------------------------------------------------------

    def _make_rules(self) -> Rules:
        plan = self.plan
        return make_rules(plan.tick_hz, plan.cell_size, plan.view_radius_cells, plan.streams)

    def _declare(self, parts: Sequence[Part] = ()) -> Declarations:
        """Make the game, with some parts more."""
        return make_game(self.laws, parts)

    def _record(self, core: str) -> Recorder:
        """Make what writes down what a core of a shard does."""
        return FlightRecorder(core, self.flights, self.laws.speed_max)

    def _make_world(self) -> tuple[np.ndarray, np.ndarray]:
        """Make what the world begins with: records and uuids."""
        rng = random_of(self.plan.seed, "world")
        side = self.plan.belt_share * self.plan.sectors_per_side * SECTOR_SIZE
        belt = make_belt(self.schema, side, rng)
        uuids = np.frombuffer(rng.bytes(16 * len(belt)), UUID)
        rocks = np.array(self.plan.rocks, np.int64)
        return belt[rocks], uuids[rocks]

    def _make_client(self, number: int, role: Role) -> JudgedClient:
        return ClientProcess(
            self._seat(number, role),
            laws=self.laws,
            ledger=self.ledger,
            bookings=self.bookings,
            limits=self.plan.client_limits,
            sectors_per_side=self.plan.sectors_per_side,
            sign_in=self._sign_in,
        )

    def _seat(self, number: int, role: Role) -> Seat:
        """Give a client its place."""
        # The last pilot is anonymous: its ship is not kept.
        anonymous = number == self.plan.pilots - 1
        of_role = number if role is Role.PLAYER else number - self.plan.pilots
        name = f"{'pilot' if role is Role.PLAYER else 'observer'}-{of_role}"
        return Seat(
            name,
            f"203.0.113.{of_role + (1 if role is Role.PLAYER else 51)}",
            self.network,
            random_of(self.plan.seed, name),
            ANONYMOUS if anonymous else 1 + number,
            role,
        )

    def _sign_in(self, client: JudgedClient, now: float) -> bytes | None:
        return self.authority.issue_token(client.account, client.role, client.name, now)

    def _sign_in_liar(self, now: float) -> bytes | None:
        return self.authority.issue_token(LIAR_ACCOUNT, Role.PLAYER, "liar", now)


def _describe_crash(error: BaseException) -> str:
    """Tell what a core ended with, and where."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = ""
    if trace is not None:
        file = trace.tb_frame.f_code.co_filename.rpartition("/sidereal/")[2]
        place = f" at {file}:{trace.tb_lineno}"
    return f"{type(error).__name__}: {error}{place}"

"""Bugs planted in what is believed of whoever lies, and in how it is shown the door."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from contextlib import suppress
from types import SimpleNamespace
from typing import Any, Final

import numpy as np
import pytest
from mutant import Mutant, any_plan, with_fault

from sidereal.game.logic import Action, Asker
from sidereal.protocol.channel.acks import SentPackets
from sidereal.protocol.channel.peer import Peer
from sidereal.protocol.errors import RemoteProtocolError
from sidereal.protocol.limits import CLIENT_SLOTS_MAX, REPAIRED_TICKS_MAX
from sidereal.replication.actions.arguments import Signatures, UnknownActionError
from sidereal.replication.actions.intake import Intake
from sidereal.replication.ingest import Ingest
from sidereal.replication.links.allowance import Allowance
from sidereal.replication.links.numbers import Quota
from sidereal.replication.links.players import InputVerdict, Player
from sidereal.replication.links.shardlink import ShardLink
from sidereal.replication.ownership.answers import Answers
from sidereal.replication.ownership.held import Held
from sidereal.replication.repairs import Repairs
from sidereal.replication.validate import Proposed, Verdict, judge_motion, judge_spawn
from sidereal.tools.simulate import liarclients, liarshards
from sidereal.tools.simulate.faults import Kind, Plan


def _believe(patch: pytest.MonkeyPatch, *unheeded: Verdict) -> None:
    def blind(*arguments: Any) -> np.ndarray:
        verdicts = judge_motion(*arguments)
        verdicts[np.isin(verdicts, unheeded)] = Verdict.ACCEPTED
        return verdicts

    patch.setattr("sidereal.replication.ingest.judge_motion", blind)


def ranges_are_not_checked(patch: pytest.MonkeyPatch) -> None:
    """A row may hold any number, and what is none."""

    def anything(records: np.ndarray) -> np.ndarray:
        return np.ones(len(records), np.bool_)

    def blind(proposed: Proposed, *rest: Any) -> np.ndarray:
        lax: Any = SimpleNamespace(valid_rows=anything)
        return judge_motion(proposed._replace(schema=lax), *rest)

    patch.setattr("sidereal.replication.ingest.judge_motion", blind)


def speed_is_not_checked(patch: pytest.MonkeyPatch) -> None:
    """An entity may be as fast as its shard says."""
    _believe(patch, Verdict.TOO_FAST)


def distance_is_not_checked(patch: pytest.MonkeyPatch) -> None:
    """An entity may be wherever its shard says."""
    _believe(patch, Verdict.TOO_FAR)


def who_was_given_anything_may_move_all(patch: pytest.MonkeyPatch) -> None:
    """A shard that was given something may have put any of its entities elsewhere, ever again."""

    def believe(self: Repairs, proposed: Proposed, at: Any, missing: Any) -> Any:
        given = bool((self._given["shard"] == proposed.shard).any())
        return at[given & (missing <= REPAIRED_TICKS_MAX)]

    patch.setattr(Repairs, "believe", believe)


def one_handover_explains_any_number_of_repairs(patch: pytest.MonkeyPatch) -> None:
    """An entity may be put elsewhere again and again for what was given once."""
    believe = Repairs.believe

    def forgetful(self: Repairs, *arguments: Any) -> np.ndarray:
        self._used = Held()
        return believe(self, *arguments)

    patch.setattr(Repairs, "believe", forgetful)


def repairs_reach_everywhere(patch: pytest.MonkeyPatch) -> None:
    """It does not count how far what was given is from who is put elsewhere."""
    patch.setattr("sidereal.replication.repairs._distance", lambda off_x, _: np.zeros(len(off_x)))


def repairs_are_not_believed(patch: pytest.MonkeyPatch) -> None:
    """Who was put elsewhere by a repair is too far off."""
    patch.setattr(Repairs, "believe", lambda _self, _proposed, at, _missing: at[:0])


def the_future_is_not_checked(patch: pytest.MonkeyPatch) -> None:
    """A row may be of any tick to come."""
    _believe(patch, Verdict.FUTURE_TICK)


def the_past_is_not_checked(patch: pytest.MonkeyPatch) -> None:
    """A row may be of any tick in the past, from which it is continued up to now."""
    _believe(patch, Verdict.PAST_TICK)


def births_are_of_any_tick(patch: pytest.MonkeyPatch) -> None:
    """What shards spawn may be of any tick in the past."""

    def blind(*arguments: Any) -> np.ndarray:
        verdicts = judge_spawn(*arguments)
        verdicts[verdicts == Verdict.PAST_TICK] = Verdict.ACCEPTED
        return verdicts

    patch.setattr("sidereal.replication.births.judge_spawn", blind)


def gifts_go_by_no_rule(patch: pytest.MonkeyPatch) -> None:
    """Rules are asked only of components that an entity had already."""
    patch.setattr("sidereal.replication.ingest.masks_said", lambda _schema, _records, held: held)


def shards_ask_for_whom_they_like(patch: pytest.MonkeyPatch) -> None:
    """A shard asks on behalf of anybody, also of what it has lost."""
    patch.setattr(Intake, "_are_owned", lambda _self, _shard, _asking, at: at >= 0)


def shards_ask_without_end(patch: pytest.MonkeyPatch) -> None:
    """A shard asks as often as it likes."""
    patch.setattr(Quota, "take", lambda _, count: count)


def anybody_may_ask_for_anything(patch: pytest.MonkeyPatch) -> None:
    """Players ask for what is for systems, and shards for what is for players."""
    find = Signatures.find_untrusted

    def lax(self: Signatures, name: str, _: Asker) -> Action:
        for by in Asker:
            with suppress(UnknownActionError):
                return find(self, name, by)
        raise UnknownActionError(name)

    patch.setattr(Signatures, "find_untrusted", lax)


def pilots_are_not_checked(patch: pytest.MonkeyPatch) -> None:
    """A row may say that anybody flies its entity."""
    _believe(patch, Verdict.OTHER_PILOT)


def inputs_need_not_have_been_sent(patch: pytest.MonkeyPatch) -> None:
    """A row may show inputs that no pilot has made."""
    _believe(patch, Verdict.UNSENT_INPUT)


def anybody_may_speak_for_an_entity(patch: pytest.MonkeyPatch) -> None:
    """A row counts whoever proposes it, as long as its epoch is the current one."""
    _believe(patch, Verdict.NOT_OWNER)


def idle_shards_are_never_closed(patch: pytest.MonkeyPatch) -> None:
    """A shard may leave its pilots without an answer for as long as it likes."""
    patch.setattr(Answers, "_is_overdue", lambda *_: False)


def who_has_proven_nothing_is_given_any_number_of_pilots(patch: pytest.MonkeyPatch) -> None:
    """A shard that has answered no pilot is given all that its sectors hold at once."""
    patch.setattr(Answers, "room_of", lambda *_: CLIENT_SLOTS_MAX)


def what_was_never_sent_may_be_acked(patch: pytest.MonkeyPatch) -> None:
    """An ack counts for whatever it says, earned or not.

    Numbers are left out more often, so that a client is sent one beyond which it acks soon enough.
    """
    begin, take_acked = SentPackets.__init__, SentPackets.take_acked

    def often(self: SentPackets, entropy: Any, *rest: Any) -> None:
        begin(self, entropy and (lambda count: bytes(b % 16 for b in entropy(count))), *rest)

    def trusting(self: SentPackets, ack: int, bits: int) -> Any:
        try:
            return take_acked(self, ack, bits)
        except RemoteProtocolError:
            return []

    patch.setattr(SentPackets, "__init__", often)
    patch.setattr(SentPackets, "take_acked", trusting)


def everybody_may_say_as_much_as_they_like(patch: pytest.MonkeyPatch) -> None:
    """No allowance is ever used up."""
    patch.setattr(Allowance, "take", lambda *_: 1.0)


def packets_may_be_noise(patch: pytest.MonkeyPatch) -> None:
    """Nobody is closed for payloads that make no sense."""
    begin = Peer.__init__

    def patient(self: Peer, *arguments: Any) -> None:
        begin(self, *arguments)
        self._malformed_max = 1 << 30

    patch.setattr(Peer, "__init__", patient)


def rejected_rows_are_not_counted(patch: pytest.MonkeyPatch) -> None:
    """A shard may propose as much as it likes that is refused."""
    attend = ShardLink.attend

    def forgiving(self: ShardLink, *arguments: Any) -> Any:
        for shard in self.shards:
            shard.faults = 0.0
        return attend(self, *arguments)

    patch.setattr(ShardLink, "attend", forgiving)


def closed_shards_may_come_back_at_once(patch: pytest.MonkeyPatch) -> None:
    """A shard that was closed for what it did is let in again."""
    fence = ShardLink.fence

    def forgiving(self: ShardLink, *arguments: Any) -> None:
        fence(self, *arguments)
        self._barred.clear()

    patch.setattr(ShardLink, "fence", forgiving)


def inputs_may_be_far_ahead(patch: pytest.MonkeyPatch) -> None:
    """A pilot may give its inputs any number beyond the newest."""
    judge = Player.judge_input

    def lenient(self: Player, *arguments: Any) -> InputVerdict:
        self.limits = dataclasses.replace(self.limits, controls_burst_ticks=1 << 31)
        return judge(self, *arguments)

    patch.setattr(Player, "judge_input", lenient)


def ends_in(kind: Kind, finale: int) -> Callable[[Plan], bool]:
    """Tell in which plans a liar comes to a finale, on links that lose nothing."""

    def matters(plan: Plan) -> bool:
        ends = any(fault.kind is kind and fault.target == finale for fault in plan.faults)
        return ends and not plan.lossy

    return matters


def idles_where_all_is_well(plan: Plan) -> bool:
    """Tell in which plans a shard idles that is closed as soon as any is."""
    idles = Kind.SHARD_IDLES in plan.kinds and plan.pilots > 1
    return idles and plan.limits.ownership.answer_within_s < 1.0


def lies_where_all_is_well(plan: Plan) -> bool:
    """Tell in which plans a shard lies, and what was long ago is so soon."""
    return Kind.SHARD_LIES in plan.kinds and plan.limits.shards.silence_s < 1.0


def leaps(plan: Plan) -> bool:
    """Tell in which plans a lying shard says that its sparks are elsewhere."""
    return any(
        fault.kind is Kind.SHARD_LIES and fault.target == liarshards.Finale.NONSENSE
        for fault in plan.faults
    )


lying_shards = with_fault(Kind.SHARD_LIES)


def what_was_refused_fences_all_that_follows(patch: pytest.MonkeyPatch) -> None:
    """Of who is refused anything its motion counts that came before, what goes with it does not."""

    def fence(self: Ingest, number: int, proposed: Proposed, verdicts: Any, lost: Any) -> None:
        verdicts[lost] = Verdict.SUPERSEDED

    patch.setattr(Ingest, "_fence", fence)


MUTANTS: Final = (
    Mutant(what_was_refused_fences_all_that_follows, ("Presses",), lying_shards),
    Mutant(ranges_are_not_checked, ("LiesFail", "Crash"), lying_shards),
    Mutant(speed_is_not_checked, ("LiesFail",), lying_shards),
    Mutant(distance_is_not_checked, ("LiesFail",), lying_shards),
    Mutant(who_was_given_anything_may_move_all, ("LiesFail",), lying_shards),
    Mutant(one_handover_explains_any_number_of_repairs, ("Elsewhere",), leaps),
    Mutant(repairs_reach_everywhere, ("Elsewhere",), leaps),
    Mutant(repairs_are_not_believed, ("NothingRejected",), any_plan),
    Mutant(the_future_is_not_checked, ("LiesFail",), lying_shards),
    Mutant(the_past_is_not_checked, ("LiesFail",), lies_where_all_is_well),
    Mutant(births_are_of_any_tick, ("LiesFail", "Lives"), lies_where_all_is_well),
    Mutant(gifts_go_by_no_rule, ("LiesFail",), lying_shards),
    Mutant(shards_ask_for_whom_they_like, ("LiesFail", "Asks"), lying_shards),
    Mutant(shards_ask_without_end, ("Asks",), lying_shards),
    Mutant(
        anybody_may_ask_for_anything, ("Credits",), with_fault(Kind.CLIENT_LIES, Kind.SHARD_LIES)
    ),
    Mutant(pilots_are_not_checked, ("LiesFail",), lying_shards),
    Mutant(inputs_need_not_have_been_sent, ("LiesFail",), lying_shards),
    Mutant(anybody_may_speak_for_an_entity, ("LiesFail",), lying_shards),
    Mutant(idle_shards_are_never_closed, ("LiesFail",), idles_where_all_is_well),
    Mutant(
        who_has_proven_nothing_is_given_any_number_of_pilots,
        ("Proven",),
        with_fault(Kind.SHARD_IDLES, Kind.SHARD_JOINS),
    ),
    Mutant(
        what_was_never_sent_may_be_acked,
        ("LiesFail",),
        ends_in(Kind.CLIENT_LIES, liarclients.Finale.ACKS),
    ),
    Mutant(
        everybody_may_say_as_much_as_they_like,
        ("LiesFail",),
        ends_in(Kind.CLIENT_LIES, liarclients.Finale.FLOOD),
    ),
    Mutant(
        packets_may_be_noise,
        ("LiesFail",),
        ends_in(Kind.CLIENT_LIES, liarclients.Finale.NONSENSE),
    ),
    Mutant(
        rejected_rows_are_not_counted,
        ("LiesFail",),
        ends_in(Kind.SHARD_LIES, liarshards.Finale.FORGERY),
    ),
    Mutant(inputs_may_be_far_ahead, ("LiesFail",), with_fault(Kind.CLIENT_LIES)),
    Mutant(closed_shards_may_come_back_at_once, ("LiesFail",), lying_shards),
)

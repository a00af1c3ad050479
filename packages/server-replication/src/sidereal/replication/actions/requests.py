"""What was asked for, and what is remembered of it: rates, calls under way, receipts."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, NamedTuple

from sidereal.game.logic import Action
from sidereal.protocol.message.player import Call, Outcome, Receipt
from sidereal.replication.actions.effects import Caller, Effects
from sidereal.replication.actions.limits import ActionLimits
from sidereal.replication.links.allowance import Allowance
from sidereal.replication.links.players import Player
from sidereal.replication.world import ACCOUNT_NONE


class CallName(NamedTuple):
    """A call, among all others: an account and its key."""

    account: int
    key: bytes


class Answered(NamedTuple):
    """A receipt that is remembered, and the digest of the call that it is for."""

    digest: bytes
    receipt: Receipt


@dataclass(slots=True, eq=False)
class Request:
    """An action that is asked for.

    Attributes:
        action: which.
        arguments: in their order.
        caller: on whose behalf, when it runs.
        player: who is answered and told, the newest session of the caller; None for nobody.
        name: of the call; None of what a shard asks for, which nobody answers.
        digest: of the call.
        since: tick at which it came.
    """

    action: Action
    arguments: tuple[Any, ...]
    caller: Caller
    player: Player | None
    name: CallName | None
    digest: bytes
    since: int


class Done(NamedTuple):
    """A request that has run, and what it comes to; the text is for people."""

    request: Request
    effects: Effects
    outcome: Outcome
    text: str


class Memory:
    """What is known of calls: who may ask how often, and which calls have come before.

    Attributes:
        under_way: calls that have no answer yet.
    """

    def __init__(self, limits: ActionLimits) -> None:
        self.under_way: dict[CallName, Request] = {}
        self._limits = limits
        self._answered: OrderedDict[int, OrderedDict[bytes, Answered]] = OrderedDict()
        self._answers = 0
        self._allowances: OrderedDict[tuple[int, str], Allowance] = OrderedDict()

    def answer_of(self, name: CallName) -> Answered | None:
        """Find the answer that a call had."""
        mine = self._answered.get(name.account)
        return None if mine is None else mine.get(name.key)

    def remember(self, name: CallName, digest: bytes, receipt: Receipt) -> None:
        """Keep the answer to a call.

        Of too many of an account its oldest are forgotten; of too many at all, those of the account
        that was answered longest ago. All who have no account share half of the room.
        """
        limits = self._limits
        mine = self._answered.setdefault(name.account, OrderedDict())
        self._answered.move_to_end(name.account)
        self._answers += name.key not in mine
        mine[name.key] = Answered(digest, receipt)
        if len(mine) > (limits.receipts if name.account else limits.receipts_in_all // 2):
            mine.popitem(last=False)
            self._answers -= 1
        while self._answers > limits.receipts_in_all:
            _, longest_ago = self._answered.popitem(last=False)
            self._answers -= len(longest_ago)

    def may_ask(self, account: int, action: Action, now: float) -> bool:
        """Charge an account for a call that may be done; one that comes again too soon is free."""
        at = account, action.name
        allowance = self._allowances.get(at)
        if allowance is None:
            burst = self._limits.burst
            allowance = self._allowances[at] = Allowance(action.rate_hz, burst, burst, now)
            if len(self._allowances) > self._limits.accounts:
                self._allowances.popitem(last=False)
        self._allowances.move_to_end(at)
        return allowance.take_if_there(now)


def call_name(account: int, key: bytes) -> CallName:
    """Tell a call from all others; those of all who have no account by the key alone.

    Each session of theirs has another number, and repeats what the one before it has asked.
    """
    return CallName(max(account, ACCOUNT_NONE), key)


def caller_of(player: Player) -> Caller:
    """Tell on whose behalf a player acts: what it flies may be another than when it asked."""
    return Caller(player.name, player.account, player.net_id)


def digest_of(call: Call) -> bytes:
    """Tell calls apart by what they ask for, 16 bytes."""
    digest = blake2b(digest_size=16, person=b"sidereal-call")
    digest.update(call.action.encode() + b"\0" + call.arguments)
    return digest.digest()

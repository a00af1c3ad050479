"""Durable actions in real processes: what a receipt says is so, once, whatever is killed."""

from __future__ import annotations

import os
import signal
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import httpx
import pytest
import trio

from sidereal.client.driver import Admission, drive, open_session, register
from sidereal.client.events import ReceiptCame
from sidereal.client.returning import ReturningClient
from sidereal.game.declarations import Declarations, declare
from sidereal.protocol.message.player import Outcome
from sidereal.replication.keeping.postgres.postmaster import Embedded
from sidereal.replication.keeping.posting import holder_of
from sidereal.replication.keeping.store import open_store

if TYPE_CHECKING:
    from tests.process.conftest import Command, Toolbox

ANY_PORTS: Final = ("--http", "127.0.0.1:0", "--client-port", "0", "--shard-port", "0")
CALLS: Final = 40
KILLED_AFTER: Final = 10
"""Receipts that have come when the server is killed; others are on their way then."""
DEADLINE_S: Final = 60.0
SOURCE: Final = '''
"""A purse for everybody who has an account, and a way to fill it."""
from sidereal.game import AUTHORITY, U4, Component, Game, Transaction
from sidereal.games import frontier

class Purse(Component, writer=AUTHORITY):
    credits: U4

game = Game("bank", parts=[frontier.flight])
game.account(Purse())

@game.action(rate_hz=20)
def earn(tx: Transaction, amount: int) -> None:
    tx.add(tx.account, Purse.credits, amount)
'''


class Earned(NamedTuple):
    """What came of a number of calls while the server was killed.

    Attributes:
        receipts: the answers to each call.
        credits: what the client knows of its account in the end.
        saved: what the database has of accounts, by holder.
    """

    receipts: dict[bytes, list[ReceiptCame]]
    credits: int
    saved: dict[bytes, Any]


def declarations() -> tuple[Declarations, Any]:
    """What the file declares, and its purse."""
    names: dict[str, Any] = {"__name__": "bank"}
    exec(compile(SOURCE, "bank.py", "exec", dont_inherit=True), names)
    return declare(names["game"]), names["Purse"]


async def earn(url: str, command: Command) -> tuple[dict[bytes, list[ReceiptCame]], int]:
    """Ask again and again; kill the server in the middle of it; wait for all answers."""
    game, purse = declarations()
    receipts: dict[bytes, list[ReceiptCame]] = {}
    async with httpx.AsyncClient(base_url=url) as http, trio.open_nursery() as nursery:
        await register(http, "ann", "correct horse")

        async def sign_in() -> Admission:
            return await open_session(http, "ann", "correct horse")

        client = ReturningClient(
            game=game, entropy=os.urandom, now=trio.current_time(), software="test"
        )
        nursery.start_soon(drive, client, sign_in)
        family = command.family()
        killed = False
        with trio.fail_after(DEADLINE_S):
            while len(receipts) < CALLS or not all(receipts.values()):
                if len(receipts) < CALLS and client.of_account(purse) is not None:
                    receipts[client.call("bank.earn", amount=len(receipts) + 1)] = []
                await trio.sleep(0.06)
                while (event := client.next_event()) is not None:
                    if isinstance(event, ReceiptCame):
                        receipts[event.key].append(event)
                if not killed and sum(map(bool, receipts.values())) >= KILLED_AFTER:
                    server = family.descriptor_of("sidereal.tools replication")
                    signal.pidfd_send_signal(server, signal.SIGKILL)
                    killed = True
        known = client.of_account(purse)
        assert known is not None
        nursery.cancel_scope.cancel()
    return receipts, int(known.credits)


@pytest.fixture(scope="module")
def earned(toolbox: Toolbox, tmp_path_factory: pytest.TempPathFactory) -> Earned:
    data_dir: Path = tmp_path_factory.mktemp("world")
    words = ("up", *ANY_PORTS, "--data-dir", data_dir, "--shards", 1, "--game", "bank:game")
    command = toolbox.start(*words, files={"bank.py": SOURCE})
    url = command.wait_output(r"The world is ready at (\S+)")
    receipts, credits = trio.run(earn, url, command)
    command.wait_output(r"(died) child=replication")
    command.tell(signal.SIGINT)
    command.wait()

    async def load() -> dict[bytes, Any]:
        async with open_store(Embedded(data_dir), declarations()[0]) as store:
            return {row.holder: row.values["bank_purse_credits"] for row in await placeless(store)}

    return Earned(receipts, credits, trio.run(load))


async def placeless(store: Any) -> Any:
    return await store.load_placeless()


def test_every_call_has_one_answer(earned: Earned) -> None:
    answers = Counter(len(receipts) for receipts in earned.receipts.values())
    assert answers == {1: CALLS}


def test_what_receipts_say_was_done_is_what_there_is(earned: Earned) -> None:
    amounts = dict(zip(earned.receipts, range(1, CALLS + 1), strict=True))
    done = sum(
        amounts[key]
        for key, (receipt,) in earned.receipts.items()
        if receipt.outcome is Outcome.DONE
    )
    assert done > 0
    assert earned.credits == done
    assert earned.saved == {holder_of(1): done}

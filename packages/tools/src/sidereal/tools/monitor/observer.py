"""An ordinary session in the world as an observer: what a player would see, measured.

It has no back door. When it can't get in, or datagrams don't come through, it says why, waits and
tries again; the monitor goes on from `/v1/status` meanwhile.
"""

from __future__ import annotations

import math
from typing import Final

import trio

from sidereal.client.driver import Admission, drive
from sidereal.client.events import Ended
from sidereal.client.front.looks import Looks
from sidereal.client.front.ownership import interest_bounds
from sidereal.client.front.watch import Flash, OwnerWatch
from sidereal.client.returning import Absence, ReturningClient
from sidereal.client.statistics import ClientStatistics, SessionState
from sidereal.game.described import Described
from sidereal.game.load import load
from sidereal.protocol.runtime.process import entropy
from sidereal.tools.monitor.history import Move, Observed, Sector
from sidereal.tools.monitor.sightmap import Around
from sidereal.tools.reader import Reader

SOFTWARE: Final = "sidereal monitor 0.1"
ASKING: Final = "asking for a session"
FLASHES_MAX: Final = 16
"""More at once are a sector that moved as a whole, which is listed as such."""


class Observer:
    """Keeps a session in the world going; `run` returns when no more is to be had."""

    def __init__(self, reader: Reader, game: str) -> None:
        self._reader = reader
        self._client: ReturningClient | None = None
        self._ended = ""
        self._session = 0
        self._watch = OwnerWatch()
        self._game = load(game)
        self._looks = Looks(self._game)
        self._place = 0.0, 0.0

    async def run(self) -> None:
        """Stay in the world; come back whenever a session ends."""
        self._client = ReturningClient(
            game=self._game,
            entropy=entropy,
            now=trio.current_time(),
            software=SOFTWARE,
            predict=False,
            any_world=True,
        )
        await drive(self._client, self._sign_in)

    async def _sign_in(self) -> Admission:
        return await self._reader.observe()

    def look(self, now: float, sector: Sector | None) -> tuple[Observed, list[Move], Around | None]:
        """Look at the world.

        Args:
            now: monotonic seconds.
            sector: to look at from now on, if one is chosen.

        Returns:
            how the session is going, entities that changed hands since the last look, and what is
            seen.
        """
        client = self._client
        if client is None:
            return Observed(why=ASKING), [], None
        while (event := client.next_event()) is not None:
            if isinstance(event, Ended):
                self._ended = event.text or event.reason.name.lower().replace("_", " ")
        if client.game is not self._game:
            self._game, self._looks = client.game, Looks(client.game)
        if client.session != self._session:
            self._session = client.session
            self._watch = OwnerWatch()
        if client.rules is not None and sector is not None:
            size = client.rules.sector_size
            self._place = (sector.x + 0.5) * size, (sector.y + 0.5) * size
            client.look_at(*self._place)
        view = client.view(now)
        flashes = self._watch.look(view.net_id, view.shard, now)
        statistics = client.statistics()
        why = self._ended or explain(client.absence, client.sessions, now)
        around = None
        if client.rules is not None:
            around = Around(interest_bounds(*self._place, client.rules), view, self._looks)
        described = isinstance(self._game, Described)
        observed = observe(statistics, why, described=described)
        return observed, list_moves(flashes, statistics.newest_tick), around


def explain(absence: Absence | None, sessions: int, now: float) -> str:
    """Say why there is nothing to see yet."""
    if absence is None:
        return "waiting for the first one over UDP" if sessions else ASKING
    wait_s = absence.again_at - now
    when = f"again in {math.ceil(wait_s)} s" if wait_s > 0.0 else "trying again"
    return f"{absence.text or absence.reason}; {when}"


def observe(statistics: ClientStatistics, why: str, *, described: bool = False) -> Observed:
    """Say of a client's statistics what the monitor shows.

    Args:
        statistics: of the client.
        why: there is nothing to see, if there is nothing.
        described: whether the world is read as the server describes it, without its game.
    """
    joined = statistics.state is SessionState.JOINED and statistics.newest_tick >= 0
    return Observed(
        joined=joined,
        why="" if joined else why,
        data_age_s=statistics.data_age_s,
        newest_tick=statistics.newest_tick,
        snapshot_hz=statistics.snapshot_hz,
        rtt_s=statistics.rtt_s,
        jitter_s=statistics.jitter_s,
        loss=statistics.loss,
        bytes_in_per_s=statistics.bytes_in_per_s,
        visible=statistics.visible_entities,
        described=described,
    )


def list_moves(flashes: list[Flash], tick: int) -> list[Move]:
    """Make a move of each entity that changed hands, unless a whole sector did."""
    if len(flashes) > FLASHES_MAX:
        return []
    return [Move(tick, None, flash.net_id, flash.before, flash.after, 0) for flash in flashes]

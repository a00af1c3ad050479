"""An ordinary stay in the world as an observer: what a player would see, measured.

It has no back door. When it can't get in, or datagrams don't come through, it says why, waits and
tries again; the monitor goes on from `/v1/status` meanwhile.
"""

from __future__ import annotations

from typing import Final

import httpx
import trio

from sidereal.client.client import Client
from sidereal.client.driver import drive, open_session
from sidereal.client.events import Ended
from sidereal.client.front.watch import Flash, OwnerWatch
from sidereal.client.statistics import ClientStatistics, Stage
from sidereal.protocol.errors import SiderealError
from sidereal.protocol.message.player import Role
from sidereal.protocol.runtime.process import entropy
from sidereal.protocol.state.schema import BASE_SCHEMA
from sidereal.tools.monitor.history import Move, Observed, Sector

SOFTWARE: Final = "sidereal monitor 0.1"
AGAIN_AFTER_S: Final = 2.0
FLASHES_MAX: Final = 16
"""More at once are a sector that moved as a whole, which is listed as such."""


class Observer:
    """Keeps a stay in the world going; `run` never returns."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self._client: Client | None = None
        self._why = "asking for a session"
        self._watch = OwnerWatch()

    async def run(self) -> None:
        """Stay in the world; come back whenever the stay ends."""
        while True:
            try:
                await self._stay()
            except SiderealError as error:
                self._why = str(error)
            self._client = None
            await trio.sleep(AGAIN_AFTER_S)

    async def _stay(self) -> None:
        admission = await open_session(self._http, role=Role.OBSERVER)
        client = Client(
            admission.connect_token,
            schema=BASE_SCHEMA,
            entropy=entropy,
            now=trio.current_time(),
            software=SOFTWARE,
            predict=False,
        )
        self._why = "waiting for the first one over UDP"
        self._watch = OwnerWatch()
        self._client = client
        await drive(client)
        while (event := client.next_event()) is not None:
            if isinstance(event, Ended):
                reason = event.reason.name.lower().replace("_", " ")
                self._why = f"{event.text or reason}; coming back"

    def look(self, now: float, sector: Sector | None) -> tuple[Observed, list[Move]]:
        """Look at the world.

        Args:
            now: monotonic seconds.
            sector: to look at from now on, if one is chosen.

        Returns:
            how the stay is going, and entities that changed hands since the last look.
        """
        client = self._client
        if client is None or client.stage is Stage.ENDED:
            return Observed(why=self._why), []
        while client.next_event() is not None:
            pass  # only the end of a stay says anything here, and then we are above
        if client.rules is not None and sector is not None:
            size = client.rules.sector_size
            client.look_at((sector.x + 0.5) * size, (sector.y + 0.5) * size)
        view = client.view(now)
        flashes = self._watch.look(view.net_id, view.shard, now)
        statistics = client.statistics()
        return observe(statistics, self._why), list_moves(flashes, statistics.newest_tick)


def observe(statistics: ClientStatistics, why: str) -> Observed:
    """Say of a client's statistics what the monitor shows."""
    joined = statistics.stage is Stage.JOINED and statistics.newest_tick >= 0
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
    )


def list_moves(flashes: list[Flash], tick: int) -> list[Move]:
    """Make a move of each entity that changed hands, unless a whole sector did."""
    if len(flashes) > FLASHES_MAX:
        return []
    return [Move(tick, None, flash.net_id, flash.before, flash.after, 0) for flash in flashes]

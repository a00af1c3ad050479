"""Why shards are not answered: the server is silent towards them, so its log says what is wrong.

An endpoint answers nobody without a good token. Whoever set up the shard sees only silence; whoever
runs the server reads here what was wrong with the request.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final, NamedTuple

from sidereal.protocol.ids import Address
from sidereal.protocol.session.packet import Drop
from sidereal.protocol.session.statistics import SessionServerStatistics

WORDS: Final = {
    Drop.SERVER_NOT_LISTED: "a shard has the key, but was told an address that is none of this "
    "endpoint; name it by --public-shards",
    Drop.TOKEN_NOT_AUTHENTIC: "a shard has another shard key than this server",
    Drop.TOKEN_EXPIRED: "a shard's token has expired by this server's clock; shards of this "
    "version make tokens that never do",
    Drop.PROTOCOL_ID: "something that is no shard of this version asks at the endpoint for shards",
}
"""What is said about requests, by why they were dropped."""


class Reason(NamedTuple):
    """Why requests were not answered.

    Attributes:
        requests: so far.
        words: for whoever runs the server.
        asked_for: the addresses that the newest one was made for, if that is what was wrong.
    """

    drop: Drop
    requests: int
    words: str
    asked_for: tuple[Address, ...]


class Unanswered:
    """What has been said so far."""

    def __init__(self) -> None:
        self._said: Counter[Drop] = Counter()

    def news(self, session: SessionServerStatistics) -> Iterator[Reason]:
        """Give what is to be said, about once a second.

        A shard asks ten times a second: a reason is given again when there were twice as many.

        Args:
            session: of the endpoint for shards.
        """
        for drop, words in WORDS.items():
            count = session.dropped.get(drop, 0)
            if count > 2 * self._said[drop]:
                self._said[drop] = count
                unlisted = drop is Drop.SERVER_NOT_LISTED
                yield Reason(drop, count, words, session.not_listed if unlisted else ())

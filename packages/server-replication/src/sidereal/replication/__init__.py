"""The replication server: it owns the truth, and everybody else only proposes or asks.

`replicator` is the tick, as the list of its stages; `ticks` says when one is due, `standstill` when
the world stands still. The stages work on the `world` (columns). `ingest` takes in what shards
propose, `births` what of it comes into the world and leaves it, `spawnkeys` what of that has come
already, `spawners` where it may come from, `parentage` whose child it may be. `families` has
everybody's parents. `validate` decides what is believed, `repairs` who may be elsewhere than it can
have flown, and `gamerules` asks the game about it. `events` lets happen in the world what shards
and hooks emit. `ids` says who may give which network id, `occupancy` which sectors are forgotten.
`notes` keeps what happened for the log. `limits` are the numbers that only tuning decides. The
rooms, by what they decide:

* `play`: what there is, and who flies what, as the game's worlds and hooks say.
* `actions`: what players and systems ask the game for, and the receipts that answer players.
* `ownership`: who simulates what. Rules for leases, handovers and ghosts.
* `edge`: what each client is sent.
* `links`: who is connected, as a client or as a shard, and what they may say.
* `keeping`: what lasts, and how it gets into the database and back.
* `http`: accounts, tokens, health, status.

Only `service`, `lifecycle` and the loops in `keeping` and `http` know sockets, clocks or the
database; all else is core: plain code that is given what it needs. `service` is the shell around
it. `lifecycle` opens all of it and closes it again; `config` is what it is told, `ending` how long
its end may take, `deaths` what its supervisor tells of its shards, and `unanswered` writes into the
log why a shard gets no answer.
"""

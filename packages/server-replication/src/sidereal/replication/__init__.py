"""The authority: it owns the truth, and everybody else only proposes or asks.

The tick is `replicator`, as the list of its stages. They work on the `world` (columns); `ingest`
with `validate` decides what is believed, `fleet`, `genesis` and `spots` where entities come from,
`notes` keeps what happened for logs. The rooms, by what they decide:

* `ownership`: who simulates what. Rules for leases, handovers and ghosts.
* `edge`: what each client is sent.
* `links`: who is connected, as a client or as a shard, and what they may say.
* `keeping`: what lasts, and how it gets into the database and back.
* `http`: accounts, tokens, health, status.

`service` is the shell: sockets, clocks and the database around the core; `lifecycle` opens all that
and closes it, `config` is what it is told, `ending` how long it may take to end.
"""

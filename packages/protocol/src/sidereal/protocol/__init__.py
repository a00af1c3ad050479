"""Everything that two Sidereal processes must agree on.

There are two halves, which never import each other. Opaque bytes are the border between them.

* The transport: `session` (netcode 1.02) and `channel` (packets, acks, delivery guarantees).
* The world: `message`, `state` (columns and their replication), `space`, `flight`.

`rules`, `limits`, `ids` and `errors` serve both halves; `links` joins them. `runtime` is the Trio
shell (sockets, clocks, processes, configuration). `testing` has the seeded link that takes the
place of a network.
"""

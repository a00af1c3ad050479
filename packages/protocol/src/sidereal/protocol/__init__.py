"""All that two Sidereal processes must agree on.

Two halves that never import each other; opaque bytes are the border between them:

* transport: `session` (netcode 1.02), `channel` (packets, acks, delivery guarantees);
* world: `message`, `state` (columns and their replication), `space`, `flight`.

`rules`, `limits`, `ids` and `errors` serve both. `runtime` is the Trio shell around them (sockets,
clocks, processes, configuration), and `testing` the seeded link that takes the place of a network.
"""

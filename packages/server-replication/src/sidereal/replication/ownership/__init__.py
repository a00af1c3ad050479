"""Who simulates what: leases of sectors, owners of entities, and what shards see of each other.

In the order of the tick: `mesh` takes in shards that joined and gives away the sectors of those
that left (`leases` holds who has which sector). Then it lets entities follow the leases: `handover`
decides which of them change hands now, and `inputs` holds what is sent along with those that pilots
fly. `amendments` tells
owners what the authority has decided of their entities, and `ghosts` sends every shard what lies
just beyond its borders. `answers` watches whether
shards answer their pilots, and `failures` where the game's code goes wrong again and again.

A rule about who owns an entity, or when that changes, belongs here; `handover` is its place.
Nothing here reads or writes a socket, judges a proposal (`validate`), or knows what a client sees
(`edge`).
"""

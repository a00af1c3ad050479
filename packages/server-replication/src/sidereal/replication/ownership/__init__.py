"""Who simulates what: leases of sectors, owners of entities, and what shards see of each other.

In the order of the tick: `mesh` takes in shards that joined and gives away the sectors of those
that left, or are to leave (`draining`), to a spare if one waits (`spares`); `leases` holds who has
which sector, and `dividing` says who gets those of one that goes. Then it lets entities follow
their islands and the leases. `grouping` is the stage of islands: `borders` tells who is near a
border, `candidates` who is looked at, `discs` who is near whom, `islands` who may touch whom,
`owners` who is to own every island, and `held` which of them stay a while longer. `handover`
decides who changes hands because of the leases alone, and who of all of these has to wait; `inputs`
holds what is sent along with those that pilots fly. `amendments` tells owners what the authority
has decided of their entities, and `ghosts` sends every shard what lies just beyond its borders. Of
that it has bodies where an island was cut (`shadows`). `balance` lets sectors go to shards that
have less to do. `answers` watches whether shards answer their pilots, and `failures` where the
game's code goes wrong again and again.

A rule about who owns an entity, or when that changes, belongs here.
Nothing here reads or writes a socket, judges a proposal (`validate`), or knows what a client sees
(`edge`).
"""

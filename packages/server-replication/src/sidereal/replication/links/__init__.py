"""The two links: sessions of clients and of shards, from the first packet to the last.

`playerlink` sorts what clients send and ends their sessions. `players` holds who is connected, and
`audience` says who hears a line. `shardlink` and `shards` are the same for shards; `states` is the
table of how far a shard has come, and `shardsender` sends shards their messages in pieces that
their links can carry. `allowance` bounds how often a peer may speak, and `volume` how much a shard
can have to say; `numbers` counts once what it says several times. `networks` says which addresses
count as one, and `reservations` keeps accounts for sessions that are on their way. `limits` has the
numbers that only tuning decides.

Packets only fill inboxes. The tick empties them through `attend`, once per tick; only players'
controls pass at once. Nothing here changes the world or decides who owns what. It says who came,
who left and what they asked.
"""

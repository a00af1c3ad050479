"""The two links: sessions of clients and of shards, from the first packet to the last.

`playerlink` sorts what clients send and ends their sessions, `players` holds who is connected;
`shardlink` and `shards` are the same for shards, `shardsender` is what shards are told, in pieces
that their links can carry. Packets only fill inboxes; the tick empties them through `attend`, once
per tick. Only players' controls pass at once. An `allowance` bounds how often a peer may speak.
`reservations` keeps accounts for sessions that are on their way.

Nothing here changes the world or decides who owns what; it says who came, who left and what they
asked.
"""

"""How entities come from other shards: each goes on from the row that it is given with.

`adoption` brings who comes to the shard's tick; `early` keeps who is ahead of it until then. `ring`
knows where bodies have been in the last ticks. With that `meetings` finds out whom somebody has met
before it came, and `repairs` simulates these ticks once more.

Nothing here decides who comes or goes (that is the authority's), and none of it knows the wire.
"""

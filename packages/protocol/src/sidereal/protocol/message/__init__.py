"""Messages of the two links, and how they become bytes.

`player` is the link between the replication server and a client, `shard` the one between the
replication server and a shard; `codec` encodes and decodes both.
"""

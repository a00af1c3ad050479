"""Messages of the two links, and how they become bytes.

`player` has the messages between the replication server and a client, `shard` those between the
replication server and a shard. `codec` encodes and decodes both. `inputs` is what pilots hold, on
both links.
"""

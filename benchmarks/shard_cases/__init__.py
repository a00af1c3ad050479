"""Cases of `shards.py` that are more than one shard.

`cluster` has whole worlds in virtual time: the real cores in one loop, with seeded links between
the authority, shards and pilots. `scenes` says which bodies are to meet on borders, and `meeting`
plays a scene once. `seam` compares what came of it with the same scene on one shard without a
network. `star` lets bots fly between shards, and follows every handover. `mass` lets a shard leave
that has much. `traffic` has the game that ships at work. `failover` kills shards of real worlds.
`pile` lets more bodies touch than a shard is to hold. `crowds` shares out sectors. `costs` has what
logic costs a shard, and `islands` what deciding who may touch whom costs the authority.
"""

"""Real worlds, hurt on purpose, and what becomes of them: the cases of `faults.py`.

A case starts a world of its own (`running`) on free ports and a fresh data directory, does one
thing to it, and gives figures beside what is asked of them (`figures`). `deaths` kills processes,
`stalls` stops them and cuts links, `crowds` goes at the HTTP endpoint, `handovers` gives a shard
more than it would like; `loud` is a shard that has the key and floods, `pilots` are clients that
know where their ships are.

Nothing here looks into a process: all is seen from outside, as people and operators see it.
"""

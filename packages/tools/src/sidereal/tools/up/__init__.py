"""`sidereal up`: a whole world on this machine, as separate processes under one supervisor.

`supervisor` runs it, by its `config`; `readiness` says what a world still lacks. `children` starts,
hears and ends a process; `restarts` decides when one that died is started again, and `prepared` is
the process that waits to be the next shard. `fleet` has the shards. With `--reload`, `watching`
notices that a file of the game is saved; `versions` finds out what that is, in a process of its own
(`examined`), and whether a saved world can go on with it (`judged`); and `reload` lets new shards
take over from the old ones.

It knows processes and what the server tells everybody. Nothing here changes a world.
"""

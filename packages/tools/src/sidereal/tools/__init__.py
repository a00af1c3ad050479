"""What people run: command line, supervisor, monitor, bots, simulation and soak.

`cli` finds a command in `commands`; `up` with `children` and `report` runs a whole world; `monitor`
and `bots` are ordinary clients of one, and `netsim` is a bad network before it; `doctor` says what
a machine lacks; `simulate` runs whole clusters from a seed, `soak` the transport alone for as long
as you like.
"""

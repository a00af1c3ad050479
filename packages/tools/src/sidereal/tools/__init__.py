"""What people run: the command line, the supervisor, the monitor, the bots and the simulation.

`cli` finds a command in `commands`; `up` with `children` and `report` runs a whole world; `monitor`
and `bots` are ordinary clients of one, and `netsim` is a bad network before it; `doctor` says what
a machine lacks; `simulate` runs whole clusters from a seed.
"""

"""What people run: command line, supervisor, monitor, bots, simulation and soak.

`cli` finds a command in `commands`. `settings` reads what is no flag: variables, the settings file,
secrets; `worldflags` are the flags that two commands share. `up` runs a whole world, and `report`
says how that went. `monitor` and `bots` are ordinary clients of a world; `netsim` is a bad network
in front of it. `reader` reads a world's state for whoever may see it, `publish` writes results, and
`doctor` says what a machine lacks. `project` is what a new game begins with. `simulate` runs whole
clusters from a seed, `soak` the transport alone for as long as you like.
"""

"""The load generator: many headless clients in one process, measured against a schedule.

`behaviour` asks the game what a bot holds, by what it sees (`sight`); `swarm` runs the clients on
one Trio loop, and `accounts` finds each of them an account that is free. `report` turns what they
measured into the `bots` block of a report, and judges requirements on it.
"""

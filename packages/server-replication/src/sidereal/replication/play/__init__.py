"""What the game that is loaded decides at the authority: what there is, and who flies what.

`spawns` makes records of what a game says of a kind, and refuses what does not fit together.
`worlds` makes a new world of them. `hooks` is the authority as a game's hooks see it: what a hook
did holds as a whole, or not at all if it raised. `arrivals` is the stage of the tick in which
players come and go and the hooks are called. `berths` keeps what accounts fly while nobody flies
it, `spots` finds room in the world, and `entities` brings into the world and takes out of it,
everywhere at once.

Nothing here knows what a kind is good for.
"""

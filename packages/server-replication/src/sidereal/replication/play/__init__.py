"""What the game that is loaded decides at the authority: what there is, and who flies what.

`worlds` makes a new world of what its game says of kinds. `hooks` is the authority as a game's
hooks see it: what a hook did holds as a whole, or not at all if it raised; `raised` says what.
`arrivals` is the stage of the tick in which players come and go and hooks are called; `calls` is
what one has asked for. `berths` keeps what accounts fly while nobody flies it, and `lingering` lets
it stay in the world for a while. `spots` finds room in the world, and `entities` brings into the
world and takes out of it, everywhere at once.

Nothing here knows what a kind is good for.
"""

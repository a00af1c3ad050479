"""For the tests of games: a whole world in one process, on virtual time, repeatable byte for byte.

The fixture `sidereal_world` of the pytest plugin makes a `world.World`; who joins it is a
`player.Player`.

* `world`: the world, its shards, its network, and what is asked of it;
* `player`: somebody at the controls, and what their client shows;
* `columns`: columns of a component, by entity;
* `happenings`: events;
* `checks`: what must be true after every run;
* `plugin`: the fixture.
"""

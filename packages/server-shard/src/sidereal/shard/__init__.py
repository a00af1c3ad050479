"""A shard server: physics and game logic for the sectors it is leased.

* `shard` the process's core: the tick, as its list of stages;
* `bodies` what the shard simulates and what it last proposed of it, `space` the one door to
  pymunk, `controls` the players' buttons waiting for their tick;
* `ghosts` what it sees of the others' entities, never simulated;
* `phase` when to simulate which tick, so that proposals come just ahead of the server's;
* `plugin` what game logic is, `game` the rules that ship with Sidereal;
* `service` the Trio shell around the core, `config` its configuration.
"""

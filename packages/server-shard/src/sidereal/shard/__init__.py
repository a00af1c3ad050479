"""A shard server: physics and game logic for the sectors that are leased to it.

* `shard`: the core of the process: one session, and the tick as the list of its stages;
* `simulation`: what is simulated, and the stages that move it one tick on;
* `population`: all that the shard knows of, in one table;
* `bodies`: the entities that the shard simulates; `handover/`: how they come from other shards;
* `changes`: what of them has changed; `proposals`: what of that is not acked yet;
* `runs`: rows of one sort that it sends; `bundles`: what of them travels together;
* `events`: what systems emit, until it is acked;
* `space`: the one door to pymunk; `neighbours`: the one to SciPy;
* `lives`: who comes and who goes after a stage; `spawnkeys`: by which inputs; `families`: whose
  children they are;
* `territory`: which sectors are leased to the shard;
* `contacts`: who touched whom in a tick, made of what physics says after each of its steps;
* `controls`: what players hold and press, waiting for its tick;
* `ghosts`: what other shards simulate nearby, to be seen and never simulated;
* `shadows`: those of them that have bodies all the same, where an island was cut;
* `phase`: when to simulate which tick, so that proposals come just ahead of the server's;
  `schedule`: and not far beyond what is heard of the server;
* `leaving`: when a shard that is to leave does so; `load`: what it tells of itself;
* `stages`: the part of the game in a tick; `step`: what a system is handed; `queries`: who matches;
* `asks`: what systems ask the authority for;
* `writes`: whether game code wrote what it may; `costs`: how long it takes;
* `limits`: the numbers that only tuning decides; `statistics`: what a shard reports of itself;
* `service`: the Trio shell around the core; `token`: the proof that it knows the key;
* `config`: its settings.
"""

"""A whole cluster from one seed: real cores, virtual time, a hostile network, separate checkers.

* `faults`: what goes wrong and when, as plain values;
* `drawing`: how these are drawn from the seed;
* `network`: links, datagrams on their way, and the trace of what arrived;
* `scene`: the world it is played in, and the pilots;
* `seeds`: everybody's random numbers;
* `processes`, `shards`, `clients`: what a shard's and a client's shell do around their cores;
* `liarshards`, `idleshards`, `liarclients`: shards and clients that do not keep to the rules;
  `shardlies`: what the former may say; `leaps`: where they say that their sparks are;
* `authority`: the same for the replication server;
* `small`: limits drawn small, so that what they bound happens in a short run;
* `memory`: a store in memory that keeps rows as the database does;
* `saving`: how changes get into it, and what goes wrong on the way;
* `stage`: who takes part, the time, and what is due next;
* `cluster`: all of it, and the loop; `finish`: when that is over;
* `script`: what happens when, to whom;
* `game`: the game that is played in it; `passing`: what comes and goes in it; `families`: parents
  and children;
* `flights`: what shards really did, as a part of their game sees it;
* `mishap`: game code that goes wrong when it is told to;
* `ledger`: what clients held, and which of it had come to which shard when;
* `bookings`: what clients asked the game for, and what they were answered;
* `lies`: what liars have said;
* `given`: a game that is given, played in place of that one;
* `checks`: what must be true, each rule by a checker of its own;
* `play`: one seed from beginning to end, and what to say of it;
* `plans`: plans as text, and the simplest one that fails like another;
* `exercise`: what runs exercised, and what they never did;
* `runs`: many seeds, on several processes.

`python -m sidereal.tools.simulate --seed N` runs one seed, `--seeds 0:1000 --jobs 2` many; a
failure prints the `--plan` that shows it. With `--game module:name` another game is played under
the same faults, by the checkers that hold for every game, and by those that `--judges` makes.
"""

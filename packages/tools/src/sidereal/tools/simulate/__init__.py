"""A whole cluster from one seed: real cores, virtual time, a hostile network, separate checkers.

* `faults`: what goes wrong and when, as plain values drawn from the seed;
* `network`: links, datagrams on their way, and the trace of what arrived;
* `scene`: the world it is played in, and the pilots;
* `processes`, `clients`: what a shard's and a client's shell do around their cores;
* `liarshards`, `liarclients`: shards and clients that do not keep to the rules;
* `authority`: the same for the replication server;
* `small`: limits drawn small, so that what they bound happens in a short run;
* `memory`: a store in memory that keeps rows as the database does;
* `cluster`: all of it, and the loop;
* `script`: what happens when, to whom;
* `flights`: what shards really did, as a plugin of theirs sees it;
* `ledger`: what clients held, and which of it had come to which shard when;
* `lies`: what liars have said;
* `checks`: what must be true, each rule by a checker of its own;
* `play`: one seed from beginning to end, and what to say of it.

`python -m sidereal.tools.simulate --seed N` runs one seed.
"""

"""What must be true of a simulated cluster, each rule by a checker of its own.

A checker looks at the whole cluster after every tick of the authority, and once more at the end. It
compares what the processes really did with what should have happened, and works out the latter by
itself: none of them asks the code under test for its opinion.

* `always`: nothing lost or doubled, nothing jumps, nothing is rejected, fresh nonces;
* `owners`: one shard simulates each entity;
* `convergence`: everybody agrees once the faults have stopped;
* `private`: every pilot is told what the authority has of its ship, and nobody else is;
* `surroundings`: clients know who simulates what around them;
* `physics`: how ships fly and circles bounce, written a second time;
* `reference`: every step and every handover as in a world on one shard without a network;
* `contacts`: every contact, likewise;
* `repaired`: ticks that shards have simulated again, likewise;
* `replays`: ships that are handed over, flown on by their inputs;
* `voyages`: the whole way of every ship that has touched nothing;
* `inputs`: what clients held, input by input, against what shards flew;
* `presses`: what pilots press counts once;
* `charges`: what shards change beside motion, at its owner, the authority and the next owner;
* `credits`: what actions have moved, against the receipts that were sent for them;
* `happenings`: events, from who emits them to who sees them; `audiences`: those that are not for
  all who see them, and that nobody else is told of them;
* `foreseen`: what models spawn is shown at once, and once;
* `families`: parents and children;
* `lives`: what shards spawn and end; `endings`: what happens to these;
* `gifts`: which components are given and taken;
* `asks`: what shards ask actions for, and how much of it;
* `borders`: who is handed over, and what is seen across a border;
* `islands`: nobody of two owners may touch, and who was brought together does not flap; `meetings`:
  who may touch whom, found by looking at every two;
* `proven`: shards that have answered no pilot take none from one that has;
* `cuts`: what touches over the cut of an island;
* `fleet`: how shards share what there is to do, and how they go;
* `spares`: who holds nothing until another shard is gone, and takes over from that one;
* `recovery`: what is there after a restart against what was there before;
* `elsewhere`: who is elsewhere than it can have flown, and what explains that;
* `lies`: liars are not believed, are closed, and nobody else is blamed;
* `authority`: of two authorities on one store only one writes;
* `bounded`: what is kept of the past is let go in time;
* `service`: how often, how late and at what cost clients hear of the world;
* `every`: all of them, for one run.
"""

"""A game that is given to the simulator, played under faults like its own.

* `staging`: which game, which of its worlds, and who judges it, as words and loaded;
* `drawing`: how a plan is drawn for it;
* `cluster`: the cluster that plays it; `clients`: its bots, and who looks about;
* `truth`: what its own checkers look at; `columns` and `chronicle`: how they ask for it;
* `judges`: the checkers that hold for every game, and those that are given with this one.
"""

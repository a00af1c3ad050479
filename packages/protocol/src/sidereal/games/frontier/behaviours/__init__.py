"""Bots: what they hold, decided by where they are and by generators of their own.

All are of the part `bots`, and hold the same stick as people, by what their clients know.

* `flying`: those that only fly;
* `hunting`: those that follow others, and shoot at them;
* `working`: those that dig ore, and carry it to stations;
* `racing`: those that fly laps;
* `mixing`: a crowd of all of these;
* `steering`: what to hold to get somewhere; `sights`: whom a bot sees;
  `ways`: how to pass stations.
"""

"""A UDP proxy that is as bad as one asks: the link model of the simulation, between real programs.

* `config`: flags, and the links they describe;
* `relay`: a line for every client, and what is on its way, in anybody's time;
* `service`: sockets around that.
"""

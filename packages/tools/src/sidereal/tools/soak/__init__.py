"""The transport under load for as long as you like: clients come, talk and go, and all is checked.

One server endpoint and many clients, each with a UDP socket of its own, on a link that loses,
repeats and reorders what it is given. There is no world in it: only sessions and channels.

* `config`: what is asked for, and the channels;
* `body`: messages that say what they are, so that any other byte is found out;
* `tracks`: what each kind of channel promises, as a small record of what came;
* `checker`: all guarantees, of channels, tags and sessions;
* `behaviour`: what clients do, drawn from the seed;
* `air`: datagrams on their way;
* `visitor`: one client that comes and goes;
* `soak`: all of it in turns, without a socket or a clock;
* `memory`: samples, and what counts as flat;
* `rig`: what all visitors share: the server, the air, the checker;
* `report`: what is said in the end;
* `service`: the sockets, the clock and the turns.

`python -m sidereal.tools.soak --clients 50 --for 60` runs one.
"""

"""What takes the place of a network in tests, simulations and `sidereal netsim`.

* `link`: delay, jitter, loss, bursts, duplication, reordering and rate, from a seeded generator;
* `pair`: two connections, or a server and a client, over such links in virtual time;
* `defences`: attacks, and the lines of code without which they succeed;
* `effort`: how much work a call is, in a measure that is the same on every machine;
* `small`: limits of the transport drawn small, so that what they bound happens in a short run;
* `sessions`: netcode servers and clients on a perfect network that a test can tamper with.
"""

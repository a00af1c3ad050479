"""What takes the place of a network in tests and simulations.

* `link`: delay, jitter, loss, duplication and reordering, from a seeded generator;
* `pair`: two connections, or a server and a client, over such links in virtual time;
* `sessions`: netcode servers and clients on a perfect network that a test can tamper with.
"""

"""Sessions by netcode 1.02: secure connections over UDP, without a socket or a clock of their own.

* `token`: connect tokens, public and private, as bytes and back;
* `packet`: requests, encrypted packets and challenge tokens, as bytes and back;
* `replay`: which sequence numbers were already received;
* `states`: the client's state machine as a table;
* `client`, `server`: the two ends; datagrams in, events and datagrams out;
* `peer`, `history`, `timers`: what a server knows of an address, of used tokens, of deadlines;
* `listing`: whether a token is for this server;
* `statistics`: what the two ends report;
* `limits`: the numbers that only tuning decides.
"""

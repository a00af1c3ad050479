"""Channels: delivery guarantees over encrypted payloads of at most `PAYLOAD_SIZE_MAX` bytes.

* `spec`: what a channel promises, and what a connection may send per second;
* `limits`: the numbers that only tuning decides;
* `packet`: the bytes of a packet: header, ack, messages;
* `sent`: what a packet carried;
* `acks`: which packets came, which were sent, which were lost;
* `roundtrip`: how long a packet and its ack take;
* `congestion`: how much may be sent: congestion window and send budget;
* `allowance`: how much state is worth writing: what can leave now;
* `redundancy`: redundant copies of small reliable messages;
* `unreliable`, `reliable`, `ends`: the two ends of a channel of each kind;
* `connection`: all of these together, for one peer;
* `peer`: one connection of an endpoint, and how much of what it sent waits;
* `endpoint`: netcode sessions and their connections together;
* `turns`: when the datagrams of a core with one session leave;
* `events`, `statistics`: what an endpoint reports.
"""

"""Delivery guarantees over encrypted payloads of at most `PAYLOAD_SIZE_MAX` bytes.

* `spec`: what a channel promises, and what a connection may send per second;
* `packet`: the bytes of a packet: header, ack, messages;
* `acks`: which packets came, which were sent, which were lost;
* `recovery`: round-trip time, congestion window, send budget;
* `unreliable`, `reliable`: the two ends of a channel of each kind;
* `connection`: all of these together, for one peer;
* `endpoint`: netcode sessions and their connections together.
"""

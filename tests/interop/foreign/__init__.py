"""A foreign end of the protocol, written from `docs/PROTOCOL.md` alone.

It imports nothing of `sidereal`, and shares no constant with it: where this package and the real
ends agree, the document was enough.

* `octets`     bytes read one after the other, strictly
* `session`    connect tokens, packets under their keys, replays
* `handshake`  the client's side of a session
* `packets`    headers, acks and parts
* `channels`   messages out of parts: runs, fragments, order, memory
* `sending`    parts out of messages: resends
* `connection` both directions together, with acks
* `messages`   what travels as MessagePack
* `snapshots`  snapshots, their sections and records
* `description` what a world declares; `described` rows of any world, by that alone
* `replica`    the picture that a client makes of its snapshots
* `bodies`     proposals, ghosts, and what voids them
* `content`    what messages say at each end of each link
* `client`     all of it as one end without sockets
* `listening`  all of it as one who listens
"""

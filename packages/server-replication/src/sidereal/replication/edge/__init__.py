"""What each client is sent: the picture of the world around it, cut into datagrams.

`edge` holds the stages of the tick. `interest` says when a client's window follows it, and
`windows` holds which cells each client has. `changelog` says what has changed in a cell since a
tick, `eventlog` what has happened in it, and `presences` which components clients of a role are
told of. `newest` says when something changed last in which cell, and `owncells` to whom that is no
news. `fanout` finds what each client needs since it was last sent something. `sections` cuts that,
once for all who need the same, and `moving` leaves out ticks that follow from the snapshot's;
`cutting` packs it into datagrams, and `transfer` spreads a crowded cell over several ticks. When
not all of it can leave, `urgency` says what goes first. `in_flight` remembers what each datagram
holds until it has arrived or is taken for lost; what was lost is sent again. `leaseviews` sends
clients who simulates the sectors around them: what has changed since their last ack. `private` is
the log of what one client alone may know: the exact state of what it flies; `privateevents` holds
the events that it is told of and not all viewers are, and `privatesections` puts both together as
bytes.

How much one client is sent per tick is decided in `rooms` and `cutting`; the numbers are
`EdgeLimits` in the `limits` of the package. What is counted stands in `statistics`.
All clients are handled at once, as arrays. Nothing here changes the world, knows a shard, or talks
to a session: bytes go out and acks come in through `links`.
"""

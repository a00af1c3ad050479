"""The Sidereal client.

`returning` is the packet-driven core that every face uses: one session after another (`comeback`
says when), and one picture over all of them. `client` is the core of one session. It puts together
`replica` (the columnar mirror of what is in interest, with `coverage`; `glance` in its place for
who draws nothing), `clocksync` (which tick it is over there), `interpolation` (where the others are
drawn) and `ownship`: `inputs` (the own controls, on schedule until they are applied) and
`prediction` (where the own ship is, ahead of the authority's state). `view` is what the core hands
to a face once per frame, `events` what it tells it in between, `statistics` and `traffic` how it is
going. `driver` is the Trio shell, the only module here that owns a socket; it speaks HTTP through
the client that `http` makes.
`front` is the arcade window.
"""

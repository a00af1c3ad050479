"""The Sidereal client.

`returning` is the packet-driven core that every face uses: one session after another, and one
picture over all of them. `comeback` says when it tries again, `worlds` what the next session plays:
the game that is here, or the world as its server describes it. `client` is the core of one session,
and puts these together:

* `inbox`: snapshots until the next turn; `reading`: what is in them, checked;
* `replica`: the columnar copy of what is in interest. `coverage` says as far as when it is known,
  `known` which components are, `departures` who has left. `happenings` are the events of the game,
  each taken once; `traces` say where their subjects were. `glance` is in its place for a client
  that draws nothing;
* `leases`: who simulates the sectors around;
* `clocksync`: which tick it is at the server; `timeline`: at which tick others are drawn;
* `ring`: the newest references of each entity; `interpolation`: where it is by these; `smoothing`
  hides what came late;
* `own`: the entity that the client flies; `inputs`: its controls, on schedule until they are
  applied, which `pace` keeps in time; `private`: what the authority has of it; `prediction`: where
  it is, ahead of that, by the columns of `rollback`; `spawns`: what models have spawned ahead,
  `endings`: what it touches; `look`: where an observer looks;
* `calls`: actions of the game that were asked for and have no receipt yet;
* `placeless`: what the account has, and what the world has.

`view` is what the core gives a face once per frame, `families` whom it draws where others are, and
`events` what happened in between. `statistics` and `traffic` say how the session is going, and
`limits` are the numbers that only tuning decides. `driver` is the Trio shell, the only module here
that owns a socket; it speaks HTTP through the client that `http` makes. `front` is the arcade
window.
"""

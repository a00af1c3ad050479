"""The world as columns: declared once, replicated from that declaration.

* `component` is what can be declared. `schema` has the declarations of one world and all that
  follows from them: numbers, rows, records, database columns, validation. `description` is the
  same as bytes, whose hash both ends compare, and says in words what differs. `described` makes a
  schema of such bytes, for an end that has not the game.
* `columns` is the struct of arrays that holds entities, in `blocks`; `idtable` finds one by its id.
  `families` finds parents and children in it; `arrays` names the arrays in signatures.
* `values` says which values a field may have. `quantize` puts rows on the wire's grid; `reckoning`
  is motion between two references.
* `stream` lays out what clients are sent, and `private` what one of them alone is; `heads` writes
  what datagrams and sections begin with; `snapshot` reads all of it.
* `controls` is what a pilot holds in a tick, as the bits of a number; `earliness` says how early
  that came; `spawnkeys` say which input has spawned an entity.
* `proposals` is what a shard proposes, and `records` what it is sent of ghosts.
"""

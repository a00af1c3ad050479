"""The world as columns: declared once, replicated from that declaration.

* `component` is what can be declared. `schema` has the declarations of one world and everything
  that follows from them: records, database columns, validation, the hash that both ends compare.
* `columns` is the struct of arrays that holds entities; `idtable` finds one by its network id.
* `quantize` puts state on the wire's grid; `reckoning` is motion between two references.
* `changelog` orders rows by the time of their change. `stream` cuts what clients are sent from such
  logs, and `snapshot` reads it again.
* `records` is what a shard and the replication server send each other.
"""

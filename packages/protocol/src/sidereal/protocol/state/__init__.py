"""The world as columns: declared once, replicated from that declaration.

* `component` what can be declared, `schema` the declarations of one world and all that follows
  from them (records, database columns, validation, the hash both ends compare);
* `columns` the struct of arrays that holds entities, `idtable` its look-up by network id;
* `quantize` state on the wire's grid, `reckoning` motion between two references;
* `stream` who still has to be told what.
"""

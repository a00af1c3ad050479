"""The authority: it owns the truth, and everybody else only proposes or asks.

* The tick: `replicator`, as the list of its stages. What they work on: `world` (columns), `mesh`
  with `leases` and `handover` (who simulates what), `ingest` with `validate` (what is believed),
  `fleet` and `genesis` (where entities come from), `ghosts`, `interest`, `notes`.
* The two links: `playerlink` with `players`, `shardlink` with `shards`.
* Telling clients: `fanout`, and under it `windows`, `sections`, `cutting`, `transfer`, `receipts`.
* Keeping: `persist` (write-behind), `store` with `stored`, `tables` and `rowcopy` (PostgreSQL),
  `postgres` with `installation` and `launch` (the embedded one).
* The shell: `service`, `http` with `credentials` and `passwords`, `status`, `metrics`, `config`.
"""

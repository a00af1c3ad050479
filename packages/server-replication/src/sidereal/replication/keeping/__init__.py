"""What lasts: changed rows on their way to PostgreSQL, and back at the next start.

`persist` collects what the tick hands over (`WriteBehind`, plain and synchronous); `store` writes
and reads it with tasks of its own, through `tables` (SQL and migrations) and `rowcopy` (binary
rows); `stored` names what comes back; `names` says which names of accounts are one. `postgres/`
owns the embedded database.

The tick never waits for anything here. Nothing here decides what is true: it keeps what was
committed.
"""

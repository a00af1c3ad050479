"""What lasts: changed rows on their way to PostgreSQL, and back at the next start.

`persist` knows what is not saved yet and cuts it into batches (plain and synchronous); `saver` is
the loop that writes them, and fetches the ships of pilots. `store` is what is asked of the
database, `tables` (schema, accounts, who may write), `rows` and `rowcopy` (entities) in which
words, `database` the connections and what becomes of them. `recovery` says which saved rows can be
believed, `stored` names what comes back, `names` says which names of accounts are one. `postgres/`
owns the embedded database.

The tick never waits for anything here. Nothing here decides what is true: it keeps what was
committed.
"""

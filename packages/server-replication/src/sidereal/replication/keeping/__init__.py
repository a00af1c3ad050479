"""What lasts: how changes get into PostgreSQL, and back at the next start.

`persist` knows what is not saved yet and cuts it into batches (plain and synchronous). `saver` is
the loop that writes them, and that fetches what accounts left. `store` is what is asked of the
database. The SQL is in `tables` (schema, accounts, who may write), in `rows` (entities), in
`ledger` (what only actions write, and the receipts of what they did) and in `evolution` (what a
newer version of the game changes); its common words are in `sql`. `ledgertables` makes the tables
of ledgers, `posting` is what is committed to them together. `rowcopy` makes the columns of entities
from the schema and packs them; `references` says how they lead to each other. `beginning` keeps
what a world was made from; `judging` says whether another version of its game could go on with it,
while it runs. `database` holds the connections, and `urls` checks where they lead.
`recovery` says which saved rows can be believed, `stored` names what comes back, and `names` says
which names of accounts are one. `limits` has the numbers that only tuning decides. `postgres/` owns
the embedded database.

The tick never waits for anything here. Nothing here decides what is true: it keeps what was
committed.
"""

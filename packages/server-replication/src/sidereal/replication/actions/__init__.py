"""What players ask for: actions of the game, as transactions, and the receipts that answer them.

`desk` is the stage of the tick: what comes in runs in one order, and is answered. `intake` judges
it before that. `arguments` finds the action of a call and reads its arguments. `draft` is the
transaction that an action is handed: it collects what is to happen. `books` is what transactions
read and write: fields of entities, of accounts and of the world. `effects` says what a transaction
comes to, and `postings` what is on its way to the database. `shown` tells clients what their
accounts and the world have, and answers their calls. `requests` is what is remembered of who asked
for what, `refusals` notes what systems asked for in vain, and `limits` has the numbers that only
tuning decides.

An action is somebody else's code. All of what one does happens, or nothing.
"""

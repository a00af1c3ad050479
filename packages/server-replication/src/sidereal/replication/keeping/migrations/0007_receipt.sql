-- What has become of the calls of durable actions: written with all that they changed, or not at
-- all. Tables of what they write (ledger_…) are made from the game's declarations at start.
CREATE TABLE receipt (
    account bigint NOT NULL,
    key bytea NOT NULL,
    digest bytea NOT NULL,
    outcome smallint NOT NULL,
    text text NOT NULL,
    tick bigint NOT NULL,
    term bigint NOT NULL,
    posting bigint NOT NULL,
    PRIMARY KEY (account, key)
);
CREATE INDEX receipt_tick ON receipt (tick);
COMMENT ON COLUMN receipt.digest IS 'of the action and its arguments';
COMMENT ON COLUMN receipt.posting IS
    'what was committed together, counted by the server of that term: it knows its own again';

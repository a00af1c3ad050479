-- What the names of accounts look like (see keeping/names.py): of two accounts that look alike the
-- older one holds the skeleton. lookalike_rules: by which rules an account's skeletons were made;
-- a start makes those of other rules again.
CREATE TABLE account_lookalike (
    skeleton text COLLATE "C" PRIMARY KEY,
    account bigint NOT NULL REFERENCES account ON DELETE CASCADE
);
CREATE INDEX account_lookalike_account ON account_lookalike (account);

ALTER TABLE account ADD COLUMN lookalike_rules text NOT NULL DEFAULT '';

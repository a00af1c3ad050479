-- A child of what an account flies comes with it. It has the number of that account, negative.
COMMENT ON COLUMN entity.account IS
    'who flies it, 0 for nobody; of a child the account that flies the top of its family, negative';
CREATE INDEX entity_child ON entity (account) WHERE account < 0 AND NOT removed;

-- The world's clock, and every entity. Columns of components are added from the schema at start.
CREATE TABLE world (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    tick bigint NOT NULL
);
INSERT INTO world (tick) VALUES (0);

-- fillfactor: rows are updated in place many times a second, beside their old versions.
CREATE TABLE entity (
    uuid uuid PRIMARY KEY,
    net_id bigint NOT NULL,
    epoch bigint NOT NULL,
    tick bigint NOT NULL,
    account bigint NOT NULL,
    active boolean NOT NULL,
    saved_tick bigint NOT NULL
) WITH (fillfactor = 70);

COMMENT ON COLUMN entity.tick IS 'tick of the reference: position and motion hold at that tick';
COMMENT ON COLUMN entity.saved_tick IS 'tick at which the row was handed over to be saved';

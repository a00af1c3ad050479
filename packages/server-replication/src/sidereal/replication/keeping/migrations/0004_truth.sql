-- Network ids are given anew at every start: a saved one means nothing.
ALTER TABLE entity DROP COLUMN net_id;

ALTER TABLE entity ADD COLUMN removed boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN entity.removed IS
    'gone for good: kept until no older write of the row can be under way any more';
CREATE INDEX entity_removed ON entity (uuid) WHERE removed;

-- Rows that can't be used, as they were, and why.
CREATE TABLE quarantine (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    uuid uuid NOT NULL,
    why text NOT NULL,
    entity jsonb NOT NULL
);

-- An account has one ship: of several, the newest.
WITH ranked AS (
    SELECT uuid, row_number() OVER (
        PARTITION BY account ORDER BY epoch DESC, saved_tick DESC, uuid
    ) AS place
    FROM entity WHERE account > 0
), moved AS (
    DELETE FROM entity USING ranked
    WHERE entity.uuid = ranked.uuid AND ranked.place > 1
    RETURNING entity.*
)
INSERT INTO quarantine (uuid, why, entity)
SELECT uuid, 'another ship of its account is newer', to_jsonb(moved) FROM moved;
CREATE UNIQUE INDEX entity_ship ON entity (account) WHERE account > 0 AND NOT removed;

-- Who may write: one server, whose transactions all carry its term.
CREATE TABLE authority (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    term bigint NOT NULL,
    token text NOT NULL,
    holder text NOT NULL,
    beat_at timestamptz NOT NULL
);
INSERT INTO authority (term, token, holder, beat_at) VALUES (0, '', '', '-infinity');
COMMENT ON COLUMN authority.token IS 'of the supervisor that may start its server again at once';
COMMENT ON COLUMN authority.beat_at IS 'when the server last wrote, by the clock of the database';

-- A world names the game that is played in it; '' until the first server has come.
ALTER TABLE world ADD COLUMN game text NOT NULL DEFAULT '';

-- Kinds are kept by name: their numbers follow from the declarations, and change with them. Before
-- this there was one game, whose kinds had these numbers. Any other number can't be, and stays
-- something that can't be.
DO $$
BEGIN
    IF EXISTS (
        SELECT FROM pg_attribute
        WHERE attrelid = 'entity'::regclass AND attname = 'kind' AND NOT attisdropped
    ) THEN
        ALTER TABLE entity
            ALTER COLUMN kind DROP DEFAULT,
            ALTER COLUMN kind TYPE text USING coalesce(
                (ARRAY['ship', 'asteroid', 'missile', 'station', 'pickup'])[kind], kind::text
            ),
            ALTER COLUMN kind SET DEFAULT '';
        UPDATE world SET game = 'frontier';
    END IF;
END $$;

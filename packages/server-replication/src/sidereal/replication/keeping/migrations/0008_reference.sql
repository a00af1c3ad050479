-- What leads to entities holds their uuids, zeros for nobody. Before this it held ids, which were
-- given anew at every start and meant nothing: it leads to nobody now. Which columns these are
-- follows from the game; whoever runs this says so.
DO $$
DECLARE
    here record;
BEGIN
    FOR here IN
        SELECT attrelid::regclass AS place, attname AS name
        FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
        WHERE attname = ANY (string_to_array(current_setting('sidereal.references'), ','))
        AND attnum > 0 AND NOT attisdropped AND atttypid = 'bigint'::regtype
        AND relkind = 'r' AND (relname = 'entity' OR starts_with(relname, 'ledger_'))
        AND relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'entity'::regclass)
    LOOP
        EXECUTE format(
            'ALTER TABLE %s DROP CONSTRAINT IF EXISTS %I', here.place, here.name || '_range'
        );
        EXECUTE format(
            'ALTER TABLE %1$s ALTER COLUMN %2$I DROP DEFAULT, '
            'ALTER COLUMN %2$I TYPE uuid USING %3$L::uuid, '
            'ALTER COLUMN %2$I SET DEFAULT %3$L',
            here.place, here.name, '00000000-0000-0000-0000-000000000000'
        );
        DELETE FROM declared_range WHERE name = here.name;
    END LOOP;
END $$;

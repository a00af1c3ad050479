-- A world names what it was made from, which decides what its bots do; '' where that is unknown.
ALTER TABLE world ADD COLUMN begun_as text NOT NULL DEFAULT '';

-- What the last server's game allowed: a narrower range is noticed, and what it would leave out.
CREATE TABLE declared_range (
    name text PRIMARY KEY,
    low double precision NOT NULL,
    high double precision NOT NULL
);

-- Threat lists, as entries that sensors compare with, and which of them each sensor has.

CREATE TABLE threat_lists (
    id       TEXT PRIMARY KEY,
    name     TEXT NOT NULL UNIQUE,
    -- beginning of the SHA-256 of what was uploaded
    version  TEXT NOT NULL,
    -- plain or stix
    format   TEXT NOT NULL,
    -- a line each: the entry, and after a tab the moment (µs) until which it holds, where there is one
    entries  TEXT NOT NULL,
    count    BIGINT NOT NULL,
    -- what the upload held beside them that cannot be compared with
    left_out BIGINT NOT NULL,
    active   BIGINT NOT NULL,
    added_at BIGINT NOT NULL,
    added_by TEXT NOT NULL
);

-- The version of all lists together that the sensor has, and when it last asked.
ALTER TABLE sensors ADD COLUMN threat_version TEXT;
ALTER TABLE sensors ADD COLUMN threat_asked_at BIGINT;

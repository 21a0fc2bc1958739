-- Software for sensors: packages, which version each zone is to have, and how far each sensor is.

CREATE TABLE software (
    file         TEXT PRIMARY KEY,
    version      TEXT NOT NULL,
    architecture TEXT NOT NULL,
    bytes        BIGINT NOT NULL,
    sha256       TEXT NOT NULL,
    -- SHA256SUMS, where that is what is signed
    sums         TEXT,
    signature    TEXT NOT NULL,
    -- what the signature says besides, which is signed too
    comment      TEXT NOT NULL,
    added_at     BIGINT NOT NULL,
    added_by     TEXT NOT NULL
);

-- A package's bytes, base64, in parts that a statement takes.
CREATE TABLE software_parts (
    file    TEXT NOT NULL REFERENCES software (file) ON DELETE CASCADE,
    part    BIGINT NOT NULL,
    content TEXT NOT NULL,
    PRIMARY KEY (file, part)
);

CREATE TABLE rollouts (
    zone_id    TEXT PRIMARY KEY REFERENCES zones (id),
    version    TEXT NOT NULL,
    -- what the zone had before, to go back to
    previous   TEXT,
    changed_at BIGINT NOT NULL,
    changed_by TEXT NOT NULL
);

-- The sensor's latest word about another version.
ALTER TABLE sensors ADD COLUMN architecture TEXT;
ALTER TABLE sensors ADD COLUMN attempt_version TEXT;
ALTER TABLE sensors ADD COLUMN attempt_step TEXT;
ALTER TABLE sensors ADD COLUMN attempt_reason TEXT;
ALTER TABLE sensors ADD COLUMN attempt_at BIGINT;

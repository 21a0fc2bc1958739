-- Findings as sensors report them, and what people make of them. Titles, remedies and techniques are the contract's.

CREATE TABLE findings (
    id         TEXT PRIMARY KEY,
    sensor_id  TEXT NOT NULL REFERENCES sensors (id),
    -- the sensor's own id for it: the same finding again comes under the same name
    name       TEXT NOT NULL,
    kind       TEXT NOT NULL,
    category   TEXT NOT NULL,
    -- 0 info to 3 high, so that they sort
    severity   BIGINT NOT NULL,
    mac        TEXT,
    summary    TEXT NOT NULL,
    evidence   TEXT NOT NULL,
    count      BIGINT NOT NULL,
    first_seen BIGINT NOT NULL,
    last_seen  BIGINT NOT NULL,
    -- new, active, closed
    status     TEXT NOT NULL,
    status_at  BIGINT NOT NULL,
    status_by  TEXT NOT NULL,
    note       TEXT NOT NULL,
    suppressed BIGINT NOT NULL,
    UNIQUE (sensor_id, name)
);
CREATE INDEX findings_last_seen ON findings (category, status, last_seen);
CREATE INDEX findings_kind ON findings (kind);
CREATE INDEX findings_mac ON findings (mac);

-- Findings that nobody wants to hear of: of a kind, everywhere or about one address.
CREATE TABLE suppressions (
    id         TEXT PRIMARY KEY,
    kind       TEXT NOT NULL,
    mac        TEXT,
    reason     TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

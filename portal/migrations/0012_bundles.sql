-- Bundles carried here by hand: each counts once, in whatever order they arrive.
CREATE TABLE bundles (
    sensor_id   TEXT NOT NULL REFERENCES sensors (id),
    epoch       TEXT NOT NULL,
    sequence    BIGINT NOT NULL,
    -- when the sensor put it together (µs)
    created_at  BIGINT NOT NULL,
    imported_at BIGINT NOT NULL,
    imported_by TEXT NOT NULL,
    devices     BIGINT NOT NULL,
    findings    BIGINT NOT NULL,
    -- records that were known newer already
    older       BIGINT NOT NULL,
    PRIMARY KEY (sensor_id, epoch, sequence)
);
CREATE INDEX bundles_imported ON bundles (imported_at);

-- Settings for sensors, by where they hold (site, zone, sensor; the narrower one wins), and what each sensor says it has.

CREATE TABLE remote_settings (
    -- site, zone or sensor
    scope      TEXT NOT NULL,
    -- id of that site, zone or sensor
    target     TEXT NOT NULL,
    name       TEXT NOT NULL,
    -- JSON
    value      TEXT NOT NULL,
    changed_at BIGINT NOT NULL,
    changed_by TEXT NOT NULL,
    PRIMARY KEY (scope, target, name)
);

-- The version that the sensor says is in force, what of it it refuses (JSON: name to reason), and when it said so first.
ALTER TABLE sensors ADD COLUMN settings_version TEXT;
ALTER TABLE sensors ADD COLUMN settings_refused TEXT;
ALTER TABLE sensors ADD COLUMN settings_told_at BIGINT;

-- Devices merged by people, what happened to each device, and saved views of the inventory.

-- A device that was absorbed: reports about its address within the zone belong to `device_id`. The row holds what undoing
-- needs; it goes with the surviving device.
CREATE TABLE device_aliases (
    absorbed_id TEXT PRIMARY KEY,
    zone_id     TEXT NOT NULL REFERENCES zones (id),
    mac         TEXT NOT NULL,
    -- what it was merged into then, which may have been absorbed itself since
    parent_id   TEXT NOT NULL,
    -- what its reports belong to now
    device_id   TEXT NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    -- the same for all that were absorbed in one go
    merge_id    TEXT NOT NULL,
    merged_at   BIGINT NOT NULL,
    merged_by   TEXT NOT NULL,
    -- what it was called
    name        TEXT NOT NULL,
    -- what people had decided about it, JSON
    kept        TEXT NOT NULL,
    UNIQUE (zone_id, mac)
);
CREATE INDEX device_aliases_device ON device_aliases (device_id);
CREATE INDEX device_aliases_merge ON device_aliases (merge_id);

CREATE TABLE device_events (
    id        TEXT PRIMARY KEY,
    device_id TEXT NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    -- the address it was about: undoing a merge gives it back
    mac       TEXT NOT NULL,
    at        BIGINT NOT NULL,
    kind      TEXT NOT NULL,
    detail    TEXT NOT NULL,
    -- account, token, or the sensor that reported it
    actor     TEXT NOT NULL
);
CREATE INDEX device_events_device ON device_events (device_id, at);
CREATE INDEX device_events_at ON device_events (at);

CREATE TABLE device_views (
    id         TEXT PRIMARY KEY,
    owner      TEXT NOT NULL,
    name       TEXT NOT NULL,
    -- 1 where everybody sees it
    shared     BIGINT NOT NULL,
    -- filters, sort and grouping, as they stand in the page's address
    query      TEXT NOT NULL,
    -- names of the columns in their order, commas between
    columns    TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (owner, name)
);

-- the inventory's first order, read from its end; and what it is grouped by
CREATE INDEX devices_recent ON devices (last_seen, id);
DROP INDEX devices_last_seen;
CREATE INDEX devices_class ON devices (class);

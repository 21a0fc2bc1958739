-- The portal's store. One text for SQLite and PostgreSQL: times are microseconds since 1970 (BIGINT), identifiers and
-- JSON are TEXT, truth values are BIGINT 0 or 1, and every hash is lower-case hexadecimal SHA-256.

-- What the portal knows about itself: its address, the hash of the set-up secret.
CREATE TABLE facts (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE sites (
    id   TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);

-- Two devices with one address are the same device only within a zone.
CREATE TABLE zones (
    id      TEXT PRIMARY KEY,
    site_id TEXT NOT NULL REFERENCES sites (id),
    name    TEXT NOT NULL,
    UNIQUE (site_id, name)
);

INSERT INTO sites (id, name) VALUES ('enterprise-network', 'Enterprise network');
INSERT INTO zones (id, site_id, name) VALUES ('default', 'enterprise-network', 'default');

CREATE TABLE subscriptions (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL
);

-- A deleted sensor stays as a row, so that its token and certificate get the right answer.
CREATE TABLE sensors (
    id              TEXT PRIMARY KEY,
    name            TEXT NOT NULL,
    zone_id         TEXT NOT NULL REFERENCES zones (id),
    subscription_id TEXT NOT NULL REFERENCES subscriptions (id),
    registered_at   BIGINT NOT NULL,
    enrolled_at     BIGINT,
    deleted_at      BIGINT,
    hostname        TEXT,
    version         TEXT,
    last_contact    BIGINT,
    -- the latest health report, as it came
    health          TEXT,
    health_at       BIGINT
);
CREATE UNIQUE INDEX sensors_name ON sensors (name) WHERE deleted_at IS NULL;
CREATE INDEX sensors_zone ON sensors (zone_id);

-- Activation tokens, by the hash of their secret. The secret itself is nowhere.
CREATE TABLE activations (
    secret_hash TEXT PRIMARY KEY,
    sensor_id   TEXT NOT NULL REFERENCES sensors (id),
    issued_at   BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    replaced_at BIGINT,
    used_at     BIGINT,
    -- hash of the public key that used it
    used_key    TEXT
);
CREATE INDEX activations_sensor ON activations (sensor_id);

CREATE TABLE certificates (
    serial     TEXT PRIMARY KEY,
    sensor_id  TEXT NOT NULL REFERENCES sensors (id),
    key_hash   TEXT NOT NULL,
    pem        TEXT NOT NULL,
    issued_at  BIGINT NOT NULL,
    not_after  BIGINT NOT NULL,
    revoked_at BIGINT
);
CREATE INDEX certificates_sensor ON certificates (sensor_id);

-- How far each sensor's numbered batches have been stored.
CREATE TABLE uplinks (
    sensor_id  TEXT NOT NULL REFERENCES sensors (id),
    epoch      TEXT NOT NULL,
    sequence   BIGINT NOT NULL,
    batches    BIGINT NOT NULL,
    records    BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (sensor_id, epoch)
);

-- A device as the inventory shows it: the sightings of all sensors of its zone, consolidated.
CREATE TABLE devices (
    id         TEXT PRIMARY KEY,
    zone_id    TEXT NOT NULL REFERENCES zones (id),
    mac        TEXT NOT NULL,
    ips        TEXT NOT NULL,
    -- first address, as 32 hexadecimal digits, so that 10.0.0.9 comes before 10.0.0.10
    ip_order   TEXT,
    vlans      TEXT NOT NULL,
    hostname   TEXT,
    vendor     TEXT,
    model      TEXT,
    type       TEXT,
    class      TEXT,
    os         TEXT,
    firmware   TEXT,
    serial     TEXT,
    confidence DOUBLE PRECISION NOT NULL,
    randomized BIGINT NOT NULL,
    protocols  TEXT NOT NULL,
    frames     BIGINT NOT NULL,
    first_seen BIGINT NOT NULL,
    last_seen  BIGINT NOT NULL,
    -- the sensor that reported it last
    sensor_id  TEXT NOT NULL REFERENCES sensors (id),
    -- everything the search box looks at, lower case
    words      TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (zone_id, mac)
);
CREATE INDEX devices_last_seen ON devices (last_seen);
CREATE INDEX devices_type ON devices (type);
CREATE INDEX devices_vendor ON devices (vendor);

-- What one sensor says about one device: its latest record, whole.
CREATE TABLE sightings (
    sensor_id   TEXT NOT NULL REFERENCES sensors (id),
    mac         TEXT NOT NULL,
    device_id   TEXT NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    record      TEXT NOT NULL,
    received_at BIGINT NOT NULL,
    PRIMARY KEY (sensor_id, mac)
);
CREATE INDEX sightings_device ON sightings (device_id);

CREATE TABLE users (
    id            TEXT PRIMARY KEY,
    name          TEXT NOT NULL UNIQUE,
    password      TEXT NOT NULL,
    role          TEXT NOT NULL,
    created_at    BIGINT NOT NULL,
    failures      BIGINT NOT NULL,
    locked_until  BIGINT
);

CREATE TABLE sessions (
    secret_hash TEXT PRIMARY KEY,
    user_id     TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at  BIGINT NOT NULL,
    used_at     BIGINT NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_id);

CREATE TABLE api_tokens (
    secret_hash TEXT PRIMARY KEY,
    name        TEXT NOT NULL UNIQUE,
    role        TEXT NOT NULL,
    created_at  BIGINT NOT NULL
);

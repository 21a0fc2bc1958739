-- What is told to others: device changes and findings, in the order in which they were committed.

CREATE TABLE events (
    -- from the counter below, taken last in the transaction of the change: whoever has read up to a number has missed
    -- nothing before it
    seq  BIGINT PRIMARY KEY,
    at   BIGINT NOT NULL,
    -- device.new, device.changed, finding.new, finding.changed
    kind TEXT NOT NULL,
    -- JSON
    body TEXT NOT NULL
);
CREATE INDEX events_at ON events (at);

CREATE TABLE counters (
    name  TEXT PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO counters (name, value) VALUES ('events', 0);

-- How far each destination has acknowledged, and which portal of several is telling it.
CREATE TABLE outlets (
    name         TEXT PRIMARY KEY,
    seq          BIGINT NOT NULL,
    holder       TEXT,
    held_until   BIGINT,
    delivered_at BIGINT,
    failures     BIGINT NOT NULL,
    -- why the latest attempt failed; empty after one that did not
    error        TEXT NOT NULL
);

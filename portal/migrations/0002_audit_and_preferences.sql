-- Who changed what, and what each person likes to see.

CREATE TABLE audit (
    id      TEXT PRIMARY KEY,
    at      BIGINT NOT NULL,
    -- account, token or "command line"
    actor   TEXT NOT NULL,
    action  TEXT NOT NULL,
    -- what it was done to, by name
    subject TEXT NOT NULL,
    detail  TEXT NOT NULL
);
CREATE INDEX audit_at ON audit (at);

CREATE TABLE preferences (
    owner TEXT NOT NULL,
    name  TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (owner, name)
);

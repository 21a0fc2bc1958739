-- Plans: how many devices a subscription has committed to, and since when. Ended plans stay, as the record of what held.
CREATE TABLE plans (
    id              TEXT PRIMARY KEY,
    subscription_id TEXT NOT NULL REFERENCES subscriptions (id),
    kind            TEXT NOT NULL,
    committed       BIGINT NOT NULL,
    confirmed_at    BIGINT NOT NULL,
    starts_at       BIGINT NOT NULL,
    -- known from the beginning for a trial, from the cancellation for the others
    ends_at         BIGINT,
    cancelled_at    BIGINT
);
CREATE INDEX plans_subscription ON plans (subscription_id);

-- Endpoints that other software manages, from an imported list: they are not counted.
CREATE TABLE managed_endpoints (
    -- mac, ip or name
    kind  TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (kind, value)
);

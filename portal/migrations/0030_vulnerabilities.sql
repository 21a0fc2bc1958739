-- Published vulnerabilities, and which of the fleet's products have them. Devices are held against the lists by what they
-- are (vendor, model, firmware, system), each such product once, however many devices are one.

CREATE TABLE cves (
    id             TEXT PRIMARY KEY,
    published      BIGINT NOT NULL,
    modified       BIGINT NOT NULL,
    summary        TEXT NOT NULL,
    -- CVSS score in tenths; NULL without one
    score          BIGINT,
    scale          TEXT NOT NULL,
    vector         TEXT NOT NULL,
    -- where it applies, JSON in NVD's form
    configurations TEXT NOT NULL
);

-- What is vulnerable, by vendor and product as they are compared: lower case, letters and digits alone.
CREATE TABLE cve_products (
    vendor  TEXT NOT NULL,
    product TEXT NOT NULL,
    cve_id  TEXT NOT NULL,
    PRIMARY KEY (vendor, product, cve_id)
);
CREATE INDEX cve_products_cve ON cve_products (cve_id);

-- CISA's catalogue, whole.
CREATE TABLE known_exploited (
    cve_id TEXT PRIMARY KEY,
    name   TEXT NOT NULL,
    added  BIGINT NOT NULL,
    due    BIGINT,
    action TEXT NOT NULL,
    ransom BIGINT NOT NULL
);

-- What there is in the inventory.
CREATE TABLE products (
    id        TEXT PRIMARY KEY,
    -- the four below, joined by the character 31
    key       TEXT NOT NULL UNIQUE,
    vendor    TEXT,
    model     TEXT,
    firmware  TEXT,
    os        TEXT,
    devices   BIGINT NOT NULL,
    cves      BIGINT NOT NULL,
    exploited BIGINT NOT NULL,
    -- highest score in tenths
    worst     BIGINT NOT NULL,
    -- the state of the lists that it was held against
    lists     TEXT NOT NULL
);

CREATE TABLE product_cves (
    product_id TEXT NOT NULL REFERENCES products (id) ON DELETE CASCADE,
    cve_id     TEXT NOT NULL,
    -- 0 exact version, 1 model only, 2 version unknown
    confidence BIGINT NOT NULL,
    why        TEXT NOT NULL,
    PRIMARY KEY (product_id, cve_id)
);
CREATE INDEX product_cves_cve ON product_cves (cve_id);

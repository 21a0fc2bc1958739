-- People who sign in with an OpenID provider, and sign-ins that have begun there.

-- The provider's name for the person, the provider's own in front. Local accounts have none.
ALTER TABLE users ADD COLUMN subject TEXT;
CREATE UNIQUE INDEX users_subject ON users (subject) WHERE subject IS NOT NULL;

CREATE TABLE oidc_sign_ins (
    state_hash TEXT PRIMARY KEY,
    nonce      TEXT NOT NULL,
    verifier   TEXT NOT NULL,
    -- where to go on to
    next       TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX oidc_sign_ins_created ON oidc_sign_ins (created_at);

-- API tokens that people made for themselves: whose they are, until when they hold, when they were used last. Without an
-- account they are the command line's and hold until deleted.
ALTER TABLE api_tokens ADD COLUMN user_id TEXT REFERENCES users (id) ON DELETE CASCADE;
ALTER TABLE api_tokens ADD COLUMN expires_at BIGINT;
ALTER TABLE api_tokens ADD COLUMN used_at BIGINT;
CREATE INDEX api_tokens_user ON api_tokens (user_id);

//! API tokens: what programs come in with. Only a token's hash is kept.
//!
//! A token that somebody made goes with the account and never allows more than the account does at the moment; one from
//! the command line belongs to the portal. A token past its end is refused and stays listed until somebody deletes it.

use eyot_contract::Timestamp;
use sqlx::FromRow;

use super::access::role_of;
use super::audit::{note, Action, Actor};
use super::{Doing, Store, StoreError, User};
use crate::rules::role::Role;

/// A token's last use is written down at most this often, in µs (1 minute): programs ask far more than this.
const TOUCH: i64 = 60 * 1_000_000;

/// A token to keep.
#[derive(Clone, Debug)]
pub struct NewToken<'a> {
    /// What it is for.
    pub name: &'a str,
    /// What it allows.
    pub role: Role,
    /// SHA-256 of the token.
    pub secret_hash: &'a str,
    /// Whose it is; `None` for the command line's.
    pub account: Option<&'a str>,
    /// When it stops working; `None` for never.
    pub expires: Option<Timestamp>,
}

/// A token as listed: never the token itself.
#[derive(Clone, Debug, FromRow)]
pub struct ApiToken {
    /// Its name.
    pub name: String,
    /// Its role's name.
    pub role: String,
    /// The account it belongs to.
    pub account: Option<String>,
    /// When it was made, in µs.
    pub created_at: i64,
    /// When it stops working, in µs.
    pub expires_at: Option<i64>,
    /// When it was used last, to the minute, in µs.
    pub used_at: Option<i64>,
}

#[derive(FromRow)]
struct Row {
    name: String,
    role: String,
    user_id: Option<String>,
    account_role: Option<String>,
    used_at: Option<i64>,
}

impl Store {
    /// Keeps a new API token. `false`: the name is taken, or the account is gone.
    ///
    /// # Errors
    /// The database fails.
    pub async fn add_api_token(&self, token: &NewToken<'_>, by: Actor<'_>) -> Result<bool, StoreError> {
        let doing = "keeping an API token";
        let mut write = self.write(doing).await?;
        let account: Option<String> = match token.account {
            None => None,
            Some(account) => {
                let id = sqlx::query_scalar("SELECT id FROM users WHERE name = $1")
                    .bind(account)
                    .fetch_optional(write.on())
                    .await
                    .doing(doing)?;
                let Some(id) = id else { return Ok(false) };
                Some(id)
            }
        };
        let added = sqlx::query(
            "INSERT INTO api_tokens (secret_hash, name, role, created_at, user_id, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (name) DO NOTHING",
        )
        .bind(token.secret_hash)
        .bind(token.name)
        .bind(token.role.name())
        .bind(by.at.0)
        .bind(account)
        .bind(token.expires.map(|e| e.0))
        .execute(write.on())
        .await
        .doing(doing)?;
        if added.rows_affected() == 0 {
            return Ok(false);
        }
        note(write.on(), by, Action::TokenCreated, token.name, token.role.title()).await?;
        write.commit(doing).await?;
        Ok(true)
    }

    /// Voids an API token. `false`: there is none of this name, or it is not of this account.
    ///
    /// # Errors
    /// The database fails.
    pub async fn delete_api_token(
        &self,
        name: &str,
        of: Option<&str>,
        by: Actor<'_>,
    ) -> Result<bool, StoreError> {
        let doing = "deleting an API token";
        let mut write = self.write(doing).await?;
        let done = sqlx::query(
            "DELETE FROM api_tokens WHERE name = $1 AND ($2 = '' OR user_id IN (SELECT id FROM users WHERE name = $2))",
        )
        .bind(name)
        .bind(of.unwrap_or_default())
        .execute(write.on())
        .await
        .doing(doing)?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        note(write.on(), by, Action::TokenDeleted, name, "").await?;
        write.commit(doing).await?;
        Ok(true)
    }

    /// The API tokens there are, or those of one account.
    ///
    /// # Errors
    /// The database fails.
    pub async fn api_tokens(&self, of: Option<&str>) -> Result<Vec<ApiToken>, StoreError> {
        sqlx::query_as(
            "SELECT t.name, t.role, u.name AS account, t.created_at, t.expires_at, t.used_at FROM api_tokens t \
             LEFT JOIN users u ON u.id = t.user_id WHERE $1 = '' OR u.name = $1 ORDER BY t.name",
        )
        .bind(of.unwrap_or_default())
        .fetch_all(&self.pool)
        .await
        .doing("listing API tokens")
    }

    /// Whose API token this is, if it still holds.
    ///
    /// # Errors
    /// The database fails.
    pub async fn api_user(&self, secret_hash: &str, now: Timestamp) -> Result<Option<User>, StoreError> {
        let doing = "reading an API token";
        let row: Option<Row> = sqlx::query_as(
            "SELECT t.name, t.role, t.user_id, u.role AS account_role, t.used_at FROM api_tokens t \
             LEFT JOIN users u ON u.id = t.user_id \
             WHERE t.secret_hash = $1 AND (t.expires_at IS NULL OR t.expires_at > $2)",
        )
        .bind(secret_hash)
        .bind(now.0)
        .fetch_optional(&self.pool)
        .await
        .doing(doing)?;
        let Some(row) = row else { return Ok(None) };
        let mut role = role_of(&row.role)?;
        match (row.user_id, row.account_role) {
            (None, _) => {}
            (Some(_), Some(account)) => role = role.weaker(role_of(&account)?),
            // an account that is just being removed
            (Some(_), None) => return Ok(None),
        }
        if row.used_at.is_none_or(|used| now.0 - used > TOUCH) {
            let mut write = self.write(doing).await?;
            sqlx::query("UPDATE api_tokens SET used_at = $1 WHERE secret_hash = $2")
                .bind(now.0)
                .bind(secret_hash)
                .execute(write.on())
                .await
                .doing(doing)?;
            write.commit(doing).await?;
        }
        Ok(Some(User { name: format!("token {}", row.name), role }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn a_token_ends_and_never_allows_more_than_its_maker() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).await.unwrap();
        let by = Actor::now("test");
        let rita = User { name: "rita".to_owned(), role: Role::SecurityReader };
        assert!(store.add_user(&rita, "hash", false, by).await.unwrap());
        let end = Timestamp(by.at.0 + 1_000);
        let token = |name, secret_hash, account| NewToken {
            name,
            role: Role::Owner,
            secret_hash,
            account,
            expires: Some(end),
        };
        assert!(store.add_api_token(&token("hers", "h1", Some("rita")), by).await.unwrap());
        assert!(store.add_api_token(&token("ours", "h2", None), by).await.unwrap());
        assert!(!store.add_api_token(&token("ours", "h3", None), by).await.unwrap(), "the name is taken");
        assert!(!store.add_api_token(&token("x", "h4", Some("nobody")), by).await.unwrap());
        let role = |user: Option<User>| user.map(|u| u.role);
        assert_eq!(role(store.api_user("h1", by.at).await.unwrap()), Some(Role::SecurityReader));
        assert_eq!(role(store.api_user("h2", by.at).await.unwrap()), Some(Role::Owner));
        assert_eq!(role(store.api_user("h2", end).await.unwrap()), None, "it has ended");
        let listed = store.api_tokens(Some("rita")).await.unwrap();
        assert_eq!(
            listed.iter().map(|t| (t.name.as_str(), t.used_at)).collect::<Vec<_>>(),
            [("hers", Some(by.at.0))]
        );
        assert!(!store.delete_api_token("ours", Some("rita"), by).await.unwrap(), "it is not hers");
        store.remove_user("rita", by).await.unwrap();
        assert_eq!(role(store.api_user("h1", by.at).await.unwrap()), None, "gone with the account");
        assert!(store.delete_api_token("ours", None, by).await.unwrap());
        assert_eq!(role(store.api_user("h2", by.at).await.unwrap()), None);
    }
}

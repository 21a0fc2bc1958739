//! Sign-ins that have begun at an OpenID provider, and the accounts of those who came back from it.

use eyot_contract::Timestamp;
use uuid::Uuid;

use super::access::role_of;
use super::audit::{note, Action, Actor};
use super::{Doing, Store, StoreError, User};

/// How long somebody may take to sign in at the provider, in µs (10 minutes).
const PATIENCE: i64 = 600 * 1_000_000;
/// Most sign-ins under way; more are those of somebody who only begins them.
const MAX_UNDER_WAY: i64 = 10_000;

/// A sign-in under way.
#[derive(Clone, Debug)]
pub struct SignIn {
    /// What the token must repeat.
    pub nonce: String,
    /// What proves that the code was asked for here.
    pub verifier: String,
    /// Where to go on to.
    pub next: String,
}

/// Whose account it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Account {
    /// This one, by its id.
    Theirs(String),
    /// Somebody else has the name.
    NameTaken,
}

impl Store {
    /// Keeps a sign-in that begins; those that were given up are swept out on the way. False if too many are under way.
    ///
    /// # Errors
    /// The database fails.
    pub async fn begin_sign_in(
        &self,
        state_hash: &str,
        sign_in: &SignIn,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let doing = "beginning a sign-in at the provider";
        let mut write = self.write(doing).await?;
        sqlx::query("DELETE FROM oidc_sign_ins WHERE created_at < $1")
            .bind(now.0 - PATIENCE)
            .execute(write.on())
            .await
            .doing(doing)?;
        let under_way: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM oidc_sign_ins")
            .fetch_one(write.on())
            .await
            .doing(doing)?;
        if under_way >= MAX_UNDER_WAY {
            return Ok(false);
        }
        sqlx::query(
            "INSERT INTO oidc_sign_ins (state_hash, nonce, verifier, next, created_at) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(state_hash)
        .bind(&sign_in.nonce)
        .bind(&sign_in.verifier)
        .bind(&sign_in.next)
        .bind(now.0)
        .execute(write.on())
        .await
        .doing(doing)?;
        write.commit(doing).await?;
        Ok(true)
    }

    /// Takes a sign-in out: it ends once, however it ends.
    ///
    /// # Errors
    /// The database fails.
    pub async fn end_sign_in(&self, state_hash: &str, now: Timestamp) -> Result<Option<SignIn>, StoreError> {
        let doing = "ending a sign-in at the provider";
        let mut write = self.write(doing).await?;
        let row: Option<(String, String, String, i64)> = sqlx::query_as(
            "DELETE FROM oidc_sign_ins WHERE state_hash = $1 RETURNING nonce, verifier, next, created_at",
        )
        .bind(state_hash)
        .fetch_optional(write.on())
        .await
        .doing(doing)?;
        write.commit(doing).await?;
        let row = row.filter(|(.., created_at)| *created_at >= now.0 - PATIENCE);
        Ok(row.map(|(nonce, verifier, next, _)| SignIn { nonce, verifier, next }))
    }

    /// The account of somebody the provider vouches for, made at the first sign-in; its role is the provider's word.
    ///
    /// # Errors
    /// The database fails.
    pub async fn account_of(
        &self,
        subject: &str,
        user: &User,
        now: Timestamp,
    ) -> Result<Account, StoreError> {
        let doing = "looking for an account";
        let by = Actor { name: "OpenID provider", at: now };
        let mut write = self.write(doing).await?;
        let known: Option<(String, String, String)> =
            sqlx::query_as("SELECT id, name, role FROM users WHERE subject = $1")
                .bind(subject)
                .fetch_optional(write.on())
                .await
                .doing(doing)?;
        let Some((id, name, role)) = known else {
            let id = Uuid::new_v4().to_string();
            // no password's hash looks like this, so that none opens the account
            let added = sqlx::query(
                "INSERT INTO users (id, name, password, role, created_at, failures, subject) \
                 VALUES ($1, $2, '', $3, $4, 0, $5) ON CONFLICT (name) DO NOTHING",
            )
            .bind(&id)
            .bind(&user.name)
            .bind(user.role.name())
            .bind(now.0)
            .bind(subject)
            .execute(write.on())
            .await
            .doing(doing)?;
            if added.rows_affected() == 0 {
                return Ok(Account::NameTaken);
            }
            note(write.on(), by, Action::UserAdded, &user.name, user.role.title()).await?;
            write.commit(doing).await?;
            return Ok(Account::Theirs(id));
        };
        let role = role_of(&role)?;
        if role != user.role {
            sqlx::query("UPDATE users SET role = $1 WHERE id = $2")
                .bind(user.role.name())
                .bind(&id)
                .execute(write.on())
                .await
                .doing(doing)?;
            let detail = format!("{} → {}", role.title(), user.role.title());
            note(write.on(), by, Action::RoleChanged, &name, &detail).await?;
        }
        write.commit(doing).await?;
        Ok(Account::Theirs(id))
    }
}

//! Who may come in: people and their sessions. Only hashes are kept.

use eyot_contract::Timestamp;
use uuid::Uuid;

use super::audit::{note, Action, Actor};
use super::{Doing, Store, StoreError};
use crate::rules::role::Role;

/// Wrong passwords in a row before a name is locked.
pub const MAX_FAILURES: i64 = 10;
/// How long a lock holds, in µs (15 minutes).
const LOCK: i64 = 15 * 60 * 1_000_000;
/// How long a session may lie unused, in µs (8 hours).
const SESSION_IDLE: i64 = 8 * 3600 * 1_000_000;
/// How long a session lives at most, in µs (24 hours).
const SESSION_LIFE: i64 = 24 * 3600 * 1_000_000;
/// A session's last use is written down at most this often, in µs (1 minute): pages are read far more than this.
const SESSION_TOUCH: i64 = 60 * 1_000_000;

/// Somebody with an account, or a program with a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Name.
    pub name: String,
    /// What they may do.
    pub role: Role,
}

/// What became of an account's removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserRemoval {
    /// It is gone, and so are its sessions.
    Removed,
    /// It is the last owner's.
    LastOwner,
    /// There is none of this name.
    NotThere,
}

/// What signing in needs to know of an account.
#[derive(Clone, Debug)]
pub struct Login {
    /// Account id.
    pub id: String,
    /// The password's hash, PHC string.
    pub password: String,
    /// Whether wrong passwords have locked it at the moment.
    pub locked: bool,
}

pub(super) fn role_of(text: &str) -> Result<Role, StoreError> {
    text.parse().map_err(|e: String| sqlx::Error::Decode(e.into())).doing("reading a role")
}

impl Store {
    /// How many accounts there are.
    ///
    /// # Errors
    /// The database fails.
    pub async fn user_count(&self) -> Result<i64, StoreError> {
        sqlx::query_scalar("SELECT COUNT(*) FROM users")
            .fetch_one(&self.pool)
            .await
            .doing("counting accounts")
    }

    /// Adds an account. `false`: the name is taken, or `first` was asked for and there is an account already.
    ///
    /// # Errors
    /// The database fails.
    pub async fn add_user(
        &self,
        user: &User,
        password_hash: &str,
        first: bool,
        by: Actor<'_>,
    ) -> Result<bool, StoreError> {
        let doing = "adding an account";
        let mut write = self.write(doing).await?;
        if first {
            let count: i64 =
                sqlx::query_scalar("SELECT COUNT(*) FROM users").fetch_one(write.on()).await.doing(doing)?;
            if count > 0 {
                return Ok(false);
            }
        }
        let added = sqlx::query(
            "INSERT INTO users (id, name, password, role, created_at, failures) VALUES ($1, $2, $3, $4, $5, 0) \
             ON CONFLICT (name) DO NOTHING",
        )
        .bind(Uuid::new_v4().to_string())
        .bind(&user.name)
        .bind(password_hash)
        .bind(user.role.name())
        .bind(by.at.0)
        .execute(write.on())
        .await
        .doing(doing)?;
        if added.rows_affected() == 0 {
            return Ok(false);
        }
        note(write.on(), by, Action::UserAdded, &user.name, user.role.title()).await?;
        write.commit(doing).await?;
        Ok(true)
    }

    /// Gives an account a new password and ends its sessions. `false`: no such account.
    ///
    /// # Errors
    /// The database fails.
    pub async fn set_password(
        &self,
        name: &str,
        password_hash: &str,
        by: Actor<'_>,
    ) -> Result<bool, StoreError> {
        let doing = "changing a password";
        let mut write = self.write(doing).await?;
        let done =
            sqlx::query("UPDATE users SET password = $1, failures = 0, locked_until = NULL WHERE name = $2 AND subject IS NULL")
                .bind(password_hash)
                .bind(name)
                .execute(write.on())
                .await
                .doing(doing)?;
        sqlx::query("DELETE FROM sessions WHERE user_id IN (SELECT id FROM users WHERE name = $1)")
            .bind(name)
            .execute(write.on())
            .await
            .doing(doing)?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        note(write.on(), by, Action::PasswordChanged, name, "").await?;
        write.commit(doing).await?;
        Ok(true)
    }

    /// The accounts there are.
    ///
    /// # Errors
    /// The database fails.
    pub async fn users(&self) -> Result<Vec<User>, StoreError> {
        let rows: Vec<(String, String)> = sqlx::query_as("SELECT name, role FROM users ORDER BY lower(name)")
            .fetch_all(&self.pool)
            .await
            .doing("listing accounts")?;
        rows.into_iter().map(|(name, role)| Ok(User { name, role: role_of(&role)? })).collect()
    }

    /// Removes an account and ends its sessions. The last owner stays: nobody else could make another.
    ///
    /// # Errors
    /// The database fails.
    pub async fn remove_user(&self, name: &str, by: Actor<'_>) -> Result<UserRemoval, StoreError> {
        let doing = "removing an account";
        let mut write = self.write(doing).await?;
        let others: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM users WHERE role = $1 AND name <> $2")
            .bind(Role::Owner.name())
            .bind(name)
            .fetch_one(write.on())
            .await
            .doing(doing)?;
        let role: Option<String> = sqlx::query_scalar("DELETE FROM users WHERE name = $1 RETURNING role")
            .bind(name)
            .fetch_optional(write.on())
            .await
            .doing(doing)?;
        match role {
            None => return Ok(UserRemoval::NotThere),
            Some(role) if role == Role::Owner.name() && others == 0 => return Ok(UserRemoval::LastOwner),
            Some(_) => {}
        }
        note(write.on(), by, Action::UserRemoved, name, "").await?;
        write.commit(doing).await?;
        Ok(UserRemoval::Removed)
    }

    /// The account of this name, as signing in sees it.
    ///
    /// # Errors
    /// The database fails.
    pub async fn login(&self, name: &str, now: Timestamp) -> Result<Option<Login>, StoreError> {
        let row: Option<(String, String, Option<i64>)> =
            sqlx::query_as("SELECT id, password, locked_until FROM users WHERE name = $1")
                .bind(name)
                .fetch_optional(&self.pool)
                .await
                .doing("reading an account")?;
        Ok(row.map(|(id, password, until)| Login { id, password, locked: until.is_some_and(|u| u > now.0) }))
    }

    /// Counts a wrong password; enough of them lock the account for a while.
    ///
    /// # Errors
    /// The database fails.
    pub async fn count_failure(&self, user: &str, now: Timestamp) -> Result<(), StoreError> {
        let doing = "counting a failed sign-in";
        let mut write = self.write(doing).await?;
        let (name, failures): (String, i64) = sqlx::query_as(
            "UPDATE users SET locked_until = CASE WHEN failures + 1 >= $1 THEN $2 ELSE locked_until END, \
             failures = CASE WHEN failures + 1 >= $1 THEN 0 ELSE failures + 1 END WHERE id = $3 \
             RETURNING name, failures",
        )
        .bind(MAX_FAILURES)
        .bind(now.0 + LOCK)
        .bind(user)
        .fetch_one(write.on())
        .await
        .doing(doing)?;
        if failures == 0 {
            let detail = format!("{MAX_FAILURES} wrong passwords");
            note(write.on(), Actor { name: &name, at: now }, Action::Locked, &name, &detail).await?;
        }
        write.commit(doing).await
    }

    /// Opens a session for an account whose password was right. Sessions that are over are swept out on the way.
    ///
    /// # Errors
    /// The database fails.
    pub async fn open_session(
        &self,
        user: &str,
        secret_hash: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let doing = "opening a session";
        let mut write = self.write(doing).await?;
        sqlx::query("DELETE FROM sessions WHERE used_at < $1 OR created_at < $2")
            .bind(now.0 - SESSION_IDLE)
            .bind(now.0 - SESSION_LIFE)
            .execute(write.on())
            .await
            .doing(doing)?;
        let name: String = sqlx::query_scalar(
            "UPDATE users SET failures = 0, locked_until = NULL WHERE id = $1 RETURNING name",
        )
        .bind(user)
        .fetch_one(write.on())
        .await
        .doing(doing)?;
        note(write.on(), Actor { name: &name, at: now }, Action::SignedIn, &name, "").await?;
        sqlx::query(
            "INSERT INTO sessions (secret_hash, user_id, created_at, used_at) VALUES ($1, $2, $3, $3)",
        )
        .bind(secret_hash)
        .bind(user)
        .bind(now.0)
        .execute(write.on())
        .await
        .doing(doing)?;
        write.commit(doing).await
    }

    /// Whose session this is, if it still lives.
    ///
    /// # Errors
    /// The database fails.
    pub async fn session(&self, secret_hash: &str, now: Timestamp) -> Result<Option<User>, StoreError> {
        let doing = "reading a session";
        let row: Option<(String, String, i64)> = sqlx::query_as(
            "SELECT u.name, u.role, e.used_at FROM sessions e JOIN users u ON u.id = e.user_id \
             WHERE e.secret_hash = $1 AND e.used_at >= $2 AND e.created_at >= $3",
        )
        .bind(secret_hash)
        .bind(now.0 - SESSION_IDLE)
        .bind(now.0 - SESSION_LIFE)
        .fetch_optional(&self.pool)
        .await
        .doing(doing)?;
        let Some((name, role, used_at)) = row else { return Ok(None) };
        if now.0 - used_at > SESSION_TOUCH {
            let mut write = self.write(doing).await?;
            sqlx::query("UPDATE sessions SET used_at = $1 WHERE secret_hash = $2")
                .bind(now.0)
                .bind(secret_hash)
                .execute(write.on())
                .await
                .doing(doing)?;
            write.commit(doing).await?;
        }
        Ok(Some(User { name, role: role_of(&role)? }))
    }

    /// Ends a session.
    ///
    /// # Errors
    /// The database fails.
    pub async fn close_session(&self, secret_hash: &str) -> Result<(), StoreError> {
        let doing = "closing a session";
        let mut write = self.write(doing).await?;
        sqlx::query("DELETE FROM sessions WHERE secret_hash = $1")
            .bind(secret_hash)
            .execute(write.on())
            .await
            .doing(doing)?;
        write.commit(doing).await
    }
}

//! What each account likes to see. Nothing here is worth an entry in the audit log.

use super::{Doing, Store, StoreError};

impl Store {
    /// A preference of an account.
    ///
    /// # Errors
    /// The database fails.
    pub async fn preference(&self, owner: &str, name: &str) -> Result<Option<String>, StoreError> {
        sqlx::query_scalar("SELECT value FROM preferences WHERE owner = $1 AND name = $2")
            .bind(owner)
            .bind(name)
            .fetch_optional(&self.pool)
            .await
            .doing("reading a preference")
    }

    /// Keeps a preference of an account.
    ///
    /// # Errors
    /// The database fails.
    pub async fn keep_preference(&self, owner: &str, name: &str, value: &str) -> Result<(), StoreError> {
        let doing = "keeping a preference";
        let mut write = self.write(doing).await?;
        sqlx::query(
            "INSERT INTO preferences (owner, name, value) VALUES ($1, $2, $3) \
             ON CONFLICT (owner, name) DO UPDATE SET value = excluded.value",
        )
        .bind(owner)
        .bind(name)
        .bind(value)
        .execute(write.on())
        .await
        .doing(doing)?;
        write.commit(doing).await
    }
}

//! Saved views of the inventory: filters, sort, grouping and columns under a name, for their owner or for everybody.

use sqlx::FromRow;
use uuid::Uuid;

use super::audit::{note, Action, Actor};
use super::sensors::parse_id;
use super::{Doing, Store, StoreError};

/// Most views of one account.
pub const MAX_VIEWS: i64 = 50;

/// A view as it is to be kept.
#[derive(Clone, Debug)]
pub struct NewView<'a> {
    /// Its name; a view of the same owner and name is replaced.
    pub name: &'a str,
    /// Whether everybody sees it.
    pub shared: bool,
    /// Filters, sort and grouping as in the page's address.
    pub query: &'a str,
    /// Names of the columns in their order, commas between.
    pub columns: &'a str,
}

/// A kept view.
#[derive(Clone, Debug)]
pub struct View {
    /// Its id.
    pub id: Uuid,
    /// Whose.
    pub owner: String,
    /// Its name.
    pub name: String,
    /// Whether everybody sees it.
    pub shared: bool,
    /// Filters, sort and grouping as in the page's address.
    pub query: String,
    /// Names of the columns in their order, commas between.
    pub columns: String,
}

/// What became of keeping one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ViewKept {
    /// It is kept under this id.
    Kept(Uuid),
    /// The account has [`MAX_VIEWS`] already.
    TooMany,
}

#[derive(FromRow)]
struct ViewRow {
    id: String,
    owner: String,
    name: String,
    shared: i64,
    query: String,
    columns: String,
}

impl ViewRow {
    fn read(self) -> Result<View, StoreError> {
        let Self { id, owner, name, shared, query, columns } = self;
        Ok(View { id: parse_id(&id)?, owner, name, shared: shared != 0, query, columns })
    }
}

const COLUMNS: &str = "id, owner, name, shared, query, columns";

impl Store {
    /// The views that an account sees: its own and shared ones, by name.
    ///
    /// # Errors
    /// The database fails.
    pub async fn views(&self, account: &str) -> Result<Vec<View>, StoreError> {
        let text = format!(
            "SELECT {COLUMNS} FROM device_views WHERE owner = $1 OR shared = 1 ORDER BY lower(name), owner"
        );
        let rows: Vec<ViewRow> = sqlx::query_as(sqlx::AssertSqlSafe(text))
            .bind(account)
            .fetch_all(&self.pool)
            .await
            .doing("listing views")?;
        rows.into_iter().map(ViewRow::read).collect()
    }

    /// One view, if the account sees it.
    ///
    /// # Errors
    /// The database fails.
    pub async fn view(&self, id: Uuid, account: &str) -> Result<Option<View>, StoreError> {
        let text = format!("SELECT {COLUMNS} FROM device_views WHERE id = $1 AND (owner = $2 OR shared = 1)");
        let row: Option<ViewRow> = sqlx::query_as(sqlx::AssertSqlSafe(text))
            .bind(id.to_string())
            .bind(account)
            .fetch_optional(&self.pool)
            .await
            .doing("reading a view")?;
        row.map(ViewRow::read).transpose()
    }

    /// Keeps a view. What everybody sees is in the audit log.
    ///
    /// # Errors
    /// The database fails.
    pub async fn keep_view(&self, view: NewView<'_>, by: Actor<'_>) -> Result<ViewKept, StoreError> {
        let doing = "keeping a view";
        let mut write = self.write(doing).await?;
        let others: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM device_views WHERE owner = $1 AND name <> $2")
                .bind(by.name)
                .bind(view.name)
                .fetch_one(write.on())
                .await
                .doing(doing)?;
        if others >= MAX_VIEWS {
            return Ok(ViewKept::TooMany);
        }
        let id: String = sqlx::query_scalar(
            "INSERT INTO device_views (id, owner, name, shared, query, columns, updated_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (owner, name) DO UPDATE SET shared = excluded.shared, \
             query = excluded.query, columns = excluded.columns, updated_at = excluded.updated_at RETURNING id",
        )
        .bind(Uuid::new_v4().to_string())
        .bind(by.name)
        .bind(view.name)
        .bind(i64::from(view.shared))
        .bind(view.query)
        .bind(view.columns)
        .bind(by.at.0)
        .fetch_one(write.on())
        .await
        .doing(doing)?;
        if view.shared {
            note(write.on(), by, Action::ViewShared, view.name, view.query).await?;
        }
        write.commit(doing).await?;
        Ok(ViewKept::Kept(parse_id(&id)?))
    }

    /// Removes a view: one's own, or where `any` a shared one of somebody else. Whether there was one.
    ///
    /// # Errors
    /// The database fails.
    pub async fn remove_view(&self, id: Uuid, any: bool, by: Actor<'_>) -> Result<bool, StoreError> {
        let doing = "removing a view";
        let mut write = self.write(doing).await?;
        let removed: Option<(String, i64)> = sqlx::query_as(
            "DELETE FROM device_views WHERE id = $1 AND (owner = $2 OR (shared = 1 AND $3 = 1)) RETURNING name, shared",
        )
        .bind(id.to_string())
        .bind(by.name)
        .bind(i64::from(any))
        .fetch_optional(write.on())
        .await
        .doing(doing)?;
        if let Some((name, 1)) = &removed {
            note(write.on(), by, Action::ViewRemoved, name, "").await?;
        }
        write.commit(doing).await?;
        Ok(removed.is_some())
    }
}

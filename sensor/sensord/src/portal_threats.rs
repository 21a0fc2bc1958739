//! The portal's threat list: fetched in parts, kept as a file beside the database, where it is read like any other list.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use eyot_client::{Client, ClientError};
use eyot_contract::{path, ThreatListPart, ThreatListRequest};

/// The file's name.
pub const NAME: &str = "portal-threats";
/// Largest list that is taken, in bytes: what the reader of lists reads.
const MAX_BYTES: u64 = 64 << 20;

/// Where the list lies for this database.
pub fn file(database: &Path) -> PathBuf {
    database.with_file_name(NAME)
}

/// The list, as this process knows it.
pub struct PortalThreats {
    file: PathBuf,
    /// Version of the file, once this process has fetched it.
    known: Option<String>,
}

/// Why the list was not renewed.
#[derive(Debug, thiserror::Error)]
pub enum RenewError {
    /// The portal did not give it.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// It is too large, or became another while it was fetched.
    #[error("the portal's list has {total} bytes, of which {received} came; at most {MAX_BYTES} are taken")]
    Size {
        /// Bytes announced.
        total: u64,
        /// Bytes received.
        received: u64,
    },
    /// It cannot be kept.
    #[error("{}: cannot be written", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

impl PortalThreats {
    /// For the file beside this database.
    pub fn beside(database: &Path) -> Self {
        Self { file: file(database), known: None }
    }

    /// Fetches the list if it is another than the known one; whether it was. A portal without lists has none to give.
    ///
    /// # Errors
    /// When it cannot be fetched or kept; the file stays as it was.
    pub async fn renew(&mut self, client: &Client) -> Result<bool, RenewError> {
        let mut list = String::new();
        let first = match self.part(client, 0).await {
            Err(ClientError::Status { status: 404, .. }) => return Ok(false),
            first => first?,
        };
        if self.known.as_ref() == Some(&first.version) {
            return Ok(false);
        }
        let (version, total) = (first.version.clone(), first.total);
        let mut part = first;
        loop {
            let stalled = part.part.is_empty() && (list.len() as u64) < total;
            list.push_str(&part.part);
            let received = list.len() as u64;
            if stalled || total > MAX_BYTES || received > total || part.version != version {
                return Err(RenewError::Size { total, received });
            }
            if received == total {
                break;
            }
            part = self.part(client, received).await?;
        }
        self.keep(&list).map_err(|source| RenewError::Write { path: self.file.clone(), source })?;
        self.known = Some(version);
        Ok(true)
    }

    async fn part(&self, client: &Client, offset: u64) -> Result<ThreatListPart, ClientError> {
        client.post_json(path::THREATS, &ThreatListRequest { known: self.known.clone(), offset }).await
    }

    fn keep(&self, list: &str) -> io::Result<()> {
        let new = self.file.with_extension("new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o640).open(&new)?;
        file.write_all(list.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &self.file)
    }
}

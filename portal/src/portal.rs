//! A portal: its data folder opened, its CA and its store at hand. The server and every command start here.

use std::path::{Path, PathBuf};

use eyot_contract::Timestamp;

use crate::address::{AddressError, PortalAddress};
use crate::api::install::Packages;
use crate::api::metrics::Metrics;
use crate::api::threats::Threats;
use crate::ca::{Authority, CaError, ServerCertificate};
use crate::files::{self, FileError};
use crate::rules::registration::Identity;
use crate::secret::{self, NoRandomness};
use crate::store::{Store, StoreError};

/// Where the data are unless somebody says otherwise.
pub const DATA: &str = "/var/lib/eyot-portal";

/// Where the sensor's packages are unless somebody says otherwise, below the data folder.
const PACKAGES: &str = "packages";
/// Fact: the portal's address.
const ADDRESS: &str = "address";
/// Fact: hash of the set-up secret.
const SETUP: &str = "setup_secret";
/// File that holds the set-up secret until it is used.
const SETUP_FILE: &str = "setup-secret";

/// Why a portal could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Nothing says how sensors reach it.
    #[error("the portal's address is not known yet; give it once with --address https://host[:port], as sensors and browsers will reach it")]
    NoAddress,
    /// There is no portal in this folder.
    #[error("there is no portal in {}; `eyot-portal init --data {} --address https://host[:port]` makes one", .0.display(), .0.display())]
    NoPortal(PathBuf),
    /// The stored address does not parse.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The CA.
    #[error(transparent)]
    Ca(#[from] CaError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// No random bytes.
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
}

/// An opened portal.
pub struct Portal {
    /// The data folder.
    pub folder: PathBuf,
    /// The CA.
    pub authority: Authority,
    /// The store.
    pub store: Store,
    /// What tokens say about the portal.
    pub identity: Identity,
    /// Folder of the sensor's packages, for machines of people's own.
    pub packages: PathBuf,
    /// The minisign key that software for sensors is signed with, if one is configured.
    pub software_key: Option<String>,
    /// What of them was read.
    pub offered: Packages,
    /// What sensors are given to compare with.
    pub threats: Threats,
    /// What is counted.
    pub metrics: Metrics,
    /// Where people can sign in besides here.
    #[cfg(feature = "oidc")]
    pub oidc: Option<crate::oidc::Provider>,
}

impl Portal {
    /// Opens the portal of a folder, making what is not there yet. An address given now replaces the stored one.
    ///
    /// # Errors
    /// [`OpenError`]. Without any address nothing is made.
    pub async fn open_or_create(folder: &Path, address: Option<&PortalAddress>) -> Result<Self, OpenError> {
        if address.is_none() && Authority::load(folder)?.is_none() {
            return Err(OpenError::NoAddress);
        }
        files::make_data_folder(folder)?;
        let authority = {
            let _lock = files::lock(folder)?;
            Authority::load_or_create(folder, Timestamp::now())?
        };
        let store = Store::open(folder).await?;
        let kept = store.fact(ADDRESS).await?;
        let address = match (address, kept) {
            (Some(given), kept) => {
                if kept.as_deref() != Some(&given.to_string()) {
                    store.set_fact(ADDRESS, &given.to_string()).await?;
                }
                given.clone()
            }
            (None, Some(kept)) => kept.parse()?,
            (None, None) => return Err(OpenError::NoAddress),
        };
        let identity = Identity { address, pin: authority.pin() };
        let packages = folder.join(PACKAGES);
        Ok(Self {
            folder: folder.to_owned(),
            authority,
            store,
            identity,
            packages,
            software_key: None,
            offered: Packages::default(),
            threats: Threats::default(),
            metrics: Metrics::default(),
            #[cfg(feature = "oidc")]
            oidc: None,
        })
    }

    /// Opens the portal of a folder that has one.
    ///
    /// # Errors
    /// [`OpenError::NoPortal`], or what is there cannot be used.
    pub async fn open(folder: &Path) -> Result<Self, OpenError> {
        if Authority::load(folder)?.is_none() {
            return Err(OpenError::NoPortal(folder.to_owned()));
        }
        Self::open_or_create(folder, None).await
    }

    /// While there is no account: the file with the secret that makes the first one. Written where it is missing.
    ///
    /// # Errors
    /// The store or the file fails.
    pub async fn setup_secret_file(&self) -> Result<Option<PathBuf>, OpenError> {
        let path = self.folder.join(SETUP_FILE);
        if self.store.user_count().await? > 0 {
            return Ok(None);
        }
        let kept = files::read_if_there(&path)?.map(|text| secret::hash(text.trim().as_bytes()));
        if kept.is_none() || kept != self.store.fact(SETUP).await? {
            let text = secret::new_text()?;
            self.store.set_fact(SETUP, &secret::hash(text.as_bytes())).await?;
            files::write_private(&path, format!("{text}\n").as_bytes())?;
        }
        Ok(Some(path))
    }

    /// The command that installs the sensor on a machine of somebody's own and activates it. `None` until the server has
    /// run once: there is no key to pin before.
    pub fn install_command(&self, token: &str) -> Option<String> {
        let pin = ServerCertificate::key_pin(&self.folder)?;
        let address = &self.identity.address;
        Some(format!("curl -fsSk --pinnedpubkey '{pin}' {address}/install | sudo sh -s -- --token '{token}'"))
    }

    /// What the OpenID provider is called, if there is one.
    pub fn provider(&self) -> Option<&str> {
        #[cfg(feature = "oidc")]
        return self.oidc.as_ref().map(|provider| provider.settings.title.as_str());
        #[cfg(not(feature = "oidc"))]
        None
    }

    /// Whether this is the set-up secret.
    ///
    /// # Errors
    /// The store fails.
    pub async fn is_setup_secret(&self, text: &str) -> Result<bool, StoreError> {
        let hash = secret::hash(text.trim().as_bytes());
        Ok(self.store.fact(SETUP).await?.is_some_and(|kept| secret::same(&kept, &hash)))
    }

    /// Takes the set-up secret away once there is an account. A file that cannot be removed opens nothing any more.
    pub fn forget_setup_secret(&self) {
        let path = self.folder.join(SETUP_FILE);
        if let Err(error) = std::fs::remove_file(&path) {
            if error.kind() != std::io::ErrorKind::NotFound {
                tracing::warn!(path = %path.display(), %error, "the used set-up secret could not be removed");
            }
        }
    }

    /// The names the server's certificate is for: the address's host, further ones, and the machine itself.
    pub fn certificate_names(&self, further: &[String]) -> Vec<String> {
        let mut names = vec![self.identity.address.host().to_owned()];
        names.extend(further.iter().cloned());
        names.extend(["localhost", "127.0.0.1", "::1"].map(str::to_owned));
        let mut seen = std::collections::BTreeSet::new();
        names.retain(|n| seen.insert(n.clone()));
        names
    }
}

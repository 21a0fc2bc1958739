//! The local page: sets the appliance up in a browser while it is not activated, says how it is afterwards.
//!
//! It is served over HTTPS on the management interface's addresses, by a thread and a runtime of its own, so that neither a
//! slow browser nor a slow portal holds the other up. Whoever has the code from the console ([`access`]) gets a form made
//! from the contract's settings ([`form`]); what is sent is decided together with every other source, tried, and stored in
//! one file in one step. That file is a datasource like the others: the daemon activates with it, retries, and takes the
//! token out of it. The page itself activates nothing and remembers nothing, so it may be killed at any moment.
//!
//! After activation there is no code and no form: one page that is read and nothing else.

mod access;
mod certificate;
mod form;
mod network;
mod place;
mod server;
mod setup;
mod view;

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::TcpListener;
use tokio::sync::Notify;

pub use access::{LOCKED, WRONG_CODES};
pub use certificate::CertificateError;
#[cfg(test)]
pub(crate) use form::tests::fill_in;
pub use server::MAX_BODY;

use crate::host::Host;
use crate::paths;
use crate::wizard::is_activated;

/// Where HTTPS is expected.
pub const PORT: u16 = 443;

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// No certificate.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// No code.
    #[error("no set-up code can be made")]
    Code(#[from] std::io::Error),
}

/// The page, wherever it is reached.
pub struct Page {
    host: Arc<dyn Host + Send + Sync>,
    certificate: certificate::Certificate,
    door: Mutex<access::Door>,
    network: Mutex<network::Change>,
    owns_network: bool,
    stored: Arc<Notify>,
    wanted: Arc<AtomicBool>,
}

impl Page {
    /// With a new set-up code. `stored` is told when there are new settings; the page is served while it is `wanted`.
    ///
    /// # Errors
    /// No certificate or no random numbers.
    pub fn new(
        host: Arc<dyn Host + Send + Sync>,
        stored: Arc<Notify>,
        wanted: Arc<AtomicBool>,
    ) -> Result<Self, PageError> {
        let certificate = certificate::Certificate::of(&*host)?;
        Ok(Self {
            certificate,
            door: Mutex::new(access::Door::new()?),
            network: Mutex::new(network::Change::resume(&*host)),
            owns_network: owns_network(&*host),
            host,
            stored,
            wanted,
        })
    }

    /// The code that opens the form now, as the console shows it; `None` once there is no form.
    pub fn code(&self) -> Option<String> {
        (!self.is_activated()).then(|| self.door().code())
    }

    /// SHA-256 of the certificate: `AB:CD:…`.
    pub fn fingerprint(&self) -> &str {
        &self.certificate.fingerprint
    }

    /// Serves one socket until dropped. Needs a [`tokio::task::LocalSet`].
    pub async fn serve(self: Rc<Self>, listener: TcpListener) {
        server::serve(self, listener).await;
    }

    /// Keeps the page where it belongs: on each of the management interface's addresses while this is an appliance, with
    /// the console saying so. Never returns. Needs a [`tokio::task::LocalSet`].
    pub async fn run(self: Rc<Self>) {
        place::run(self).await;
    }

    fn is_activated(&self) -> bool {
        // one that cannot be read is no reason to open the form
        is_activated(&*self.host).unwrap_or(true)
    }

    fn door(&self) -> MutexGuard<'_, access::Door> {
        // what is behind the lock is whole between any two of its statements
        self.door.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn network(&self) -> MutexGuard<'_, network::Change> {
        self.network.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether this machine's network is ours: an appliance, not somebody's own server.
pub fn owns_network(host: &dyn Host) -> bool {
    host.read(paths::NETWORK_ENABLED).is_ok_and(|unit| unit.is_some())
}

/// As it stands in an address.
fn bracketed(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}

//! The portal's front door: TLS connections accepted, each given who its peer is, and handed to the router.
//!
//! One loop of our own rather than a ready-made server, because every request must know the client certificate of its
//! connection. Every wait on a peer has an end: handshake, request head, whole request. Stopping takes no new
//! connection and lets running requests finish.

mod peer;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::Router;
use eyot_contract::Timestamp;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::Request;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{watch, Semaphore};
use tokio_rustls::server::TlsStream;
use tokio_rustls::TlsAcceptor;
use tower::Service;

use crate::ca::{CaError, ServerCertificate};
use crate::outlets::{Destination, Outlets};
use crate::portal::Portal;
use crate::router;
use crate::store::Matched;

pub use peer::Peer;
use tls::{Certificates, Door};

/// Longest TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Longest wait for a request's head, on a new connection as on one kept alive.
const REQUEST_HEAD: Duration = Duration::from_secs(75);
/// How long running requests may take to finish when the server stops.
const FAREWELL: Duration = Duration::from_secs(10);
/// Connections open at one time; more wait to be accepted. Ten thousand sensors report once a minute over connections
/// of seconds, so this is plenty, and stays below systemd's usual limit on open files when the unit raises it.
const MAX_CONNECTIONS: usize = 8192;
/// How often the server's certificate is looked at.
const RENEWAL: Duration = Duration::from_secs(3600);
/// How often devices that nobody has seen for long are looked for.
const RETENTION: Duration = Duration::from_secs(3600);
/// How often the inventory is held against the lists of vulnerabilities.
const MATCHING: Duration = Duration::from_secs(60);
/// How many times as long as that took one waits at least before the next time.
const MATCHING_REST: u32 = 20;
/// Pause after a failed accept: out of file descriptors, mostly, which passes when connections end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why a server could not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address cannot be listened on.
    #[error("cannot listen on {listen}{}", hint(source))]
    Listen {
        /// Which.
        listen: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// No server certificate.
    #[error(transparent)]
    Certificate(#[from] CaError),
    /// The TLS library refuses the set-up.
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
    /// The certificate verifier cannot be made from the portal's CA.
    #[error("client certificates cannot be checked against the portal's CA")]
    Verifier(#[source] rustls::server::VerifierBuilderError),
}

fn hint(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::PermissionDenied => {
            " (a port below 1024 needs CAP_NET_BIND_SERVICE, which the service has; or choose another with --listen 0.0.0.0:8443)"
        }
        std::io::ErrorKind::AddrInUse => " (another program has this port; stop it, or choose another with --listen)",
        _ => "",
    }
}

/// A server that listens and has not begun to answer.
pub struct Server {
    portal: Arc<Portal>,
    listener: TcpListener,
    acceptor: TlsAcceptor,
    certificates: Arc<Certificates>,
    door: Arc<Door>,
    names: Vec<String>,
    destinations: Vec<Destination>,
}

impl Server {
    /// Listens. `names` are further names for the server's certificate.
    ///
    /// # Errors
    /// [`ServeError`].
    pub async fn bind(portal: Portal, listen: SocketAddr, names: &[String]) -> Result<Self, ServeError> {
        let names = portal.certificate_names(names);
        let certificate =
            ServerCertificate::load_or_renew(&portal.folder, &portal.authority, &names, Timestamp::now())?;
        let certificates = Arc::new(Certificates::new(certificate.certified));
        let door = Arc::new(Door::new(&portal.authority)?);
        let acceptor = TlsAcceptor::from(Arc::new(tls::config(&door, &certificates)?));
        let listener =
            TcpListener::bind(listen).await.map_err(|source| ServeError::Listen { listen, source })?;
        Ok(Self {
            portal: Arc::new(portal),
            listener,
            acceptor,
            certificates,
            door,
            names,
            destinations: Vec::new(),
        })
    }

    /// Tells these what changes.
    pub fn telling(mut self, destinations: Vec<Destination>) -> Self {
        self.destinations = destinations;
        self
    }

    /// Where it listens: the port is the real one even if 0 was asked for.
    pub fn listening_on(&self) -> Option<SocketAddr> {
        self.listener.local_addr().ok()
    }

    /// Answers until `stop` comes, then lets running requests finish.
    pub async fn run(self, stop: impl std::future::Future<Output = ()>) {
        let router = router::router(self.portal.clone());
        let graceful = GracefulShutdown::new();
        let stopping = watch::Sender::new(false);
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let renewal = tokio::spawn(keep_certificate(self.portal.clone(), self.certificates, self.names));
        let retention = tokio::spawn(keep_retention(self.portal.clone()));
        let matching = tokio::spawn(keep_matched(self.portal.clone()));
        let outlets = Outlets::start(&self.portal.store, &self.portal.folder, self.destinations).await;
        let mut stop = std::pin::pin!(stop);
        loop {
            let place = tokio::select! {
                () = &mut stop => break,
                place = places.clone().acquire_owned() => place,
            };
            let accepted = tokio::select! {
                () = &mut stop => break,
                accepted = self.listener.accept() => accepted,
            };
            let (stream, from) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let (acceptor, door, router) = (self.acceptor.clone(), self.door.clone(), router.clone());
            let (watcher, mut stopping) = (graceful.watcher(), stopping.subscribe());
            tokio::spawn(async move {
                let _place = place;
                // a peer that has not even shaken hands is not waited for
                let shaken = tokio::select! {
                    _ = stopping.changed() => None,
                    shaken = shake_hands(stream, from, acceptor) => shaken,
                };
                if let Some(stream) = shaken {
                    let peer = door.who(stream.get_ref().1.peer_certificates());
                    converse(stream, from, peer, router, watcher).await;
                }
            });
        }
        drop(self.listener);
        stopping.send_replace(true);
        renewal.abort();
        drop(outlets);
        retention.abort();
        matching.abort();
        if tokio::time::timeout(FAREWELL, graceful.shutdown()).await.is_err() {
            tracing::warn!("some requests did not finish in time and were cut off");
        }
        self.portal.store.close().await;
    }
}

async fn shake_hands(
    stream: TcpStream,
    from: SocketAddr,
    acceptor: TlsAcceptor,
) -> Option<TlsStream<TcpStream>> {
    // small answers must not wait for the peer's acknowledgement; a failure costs only speed
    let _ = stream.set_nodelay(true);
    match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => Some(stream),
        Ok(Err(error)) => {
            tracing::debug!(%from, %error, "no TLS connection came about");
            None
        }
        Err(_) => {
            tracing::debug!(%from, "a TLS handshake took too long");
            None
        }
    }
}

async fn converse(
    stream: TlsStream<TcpStream>,
    from: SocketAddr,
    peer: Peer,
    router: Router,
    watcher: hyper_util::server::graceful::Watcher,
) {
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer.clone());
        router.clone().call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%from, %error, "a connection ended early");
    }
}

async fn keep_retention(portal: Arc<Portal>) {
    loop {
        match portal.store.remove_unseen(Timestamp::now()).await {
            Ok(0) => {}
            Ok(devices) => tracing::info!(devices, "devices that no sensor has seen for long were removed"),
            Err(error) => tracing::error!(
                error = &error as &dyn std::error::Error,
                "unseen devices could not be removed; this is tried again"
            ),
        }
        match portal.store.remove_old_events(Timestamp::now()).await {
            Ok(0) => {}
            Ok(events) => tracing::info!(events, "old events of devices were removed"),
            Err(error) => tracing::error!(
                error = &error as &dyn std::error::Error,
                "old events of devices could not be removed; this is tried again"
            ),
        }
        tokio::time::sleep(RETENTION).await;
    }
}

/// Holds what is new in the inventory, and what the lists say anew, against each other.
async fn keep_matched(portal: Arc<Portal>) {
    loop {
        let begun = std::time::Instant::now();
        match portal.store.match_products().await {
            Ok(Matched { matched: 0, .. }) => {}
            Ok(done) => tracing::info!(products = done.matched, "held against the lists of vulnerabilities"),
            Err(error) => tracing::error!(
                error = &error as &dyn std::error::Error,
                "devices could not be held against the lists of vulnerabilities; this is tried again"
            ),
        }
        tokio::time::sleep(MATCHING.max(begun.elapsed() * MATCHING_REST)).await;
    }
}

async fn keep_certificate(portal: Arc<Portal>, certificates: Arc<Certificates>, names: Vec<String>) {
    loop {
        tokio::time::sleep(RENEWAL).await;
        let now = Timestamp::now();
        match ServerCertificate::load_or_renew(&portal.folder, &portal.authority, &names, now) {
            Ok(certificate) if certificate.renewed => {
                certificates.replace(certificate.certified);
                tracing::info!("the server's certificate was renewed");
            }
            Ok(_) => {}
            Err(error) => tracing::error!(
                error = &error as &dyn std::error::Error,
                "the server's certificate could not be renewed; the present one stays in use"
            ),
        }
    }
}

//! The cable between sensors and portals: spreads connections over the portals there are, and can be cut in three ways.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// How the network goes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Connections end at once and new ones are closed.
    Reset,
    /// Nothing gets through either way, and nobody is told.
    Silence,
    /// What sensors send arrives, and no answer comes back: batches are stored whose acknowledgement is lost.
    AnswersLost,
}

/// The relay.
pub struct Relay {
    pub port: u16,
    portals: Arc<Mutex<Vec<SocketAddr>>>,
    cut: watch::Sender<Option<Cut>>,
    connections: Arc<AtomicU64>,
}

impl Relay {
    pub async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let portals: Arc<Mutex<Vec<SocketAddr>>> = Arc::default();
        let connections = Arc::new(AtomicU64::new(0));
        let (cut, state) = watch::channel(None);
        let (known, counted) = (portals.clone(), connections.clone());
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let nth = counted.fetch_add(1, Ordering::Relaxed) as usize;
                let portal = {
                    let known = known.lock().unwrap();
                    (!known.is_empty()).then(|| known[nth % known.len()])
                };
                tokio::spawn(lead(stream, portal, state.clone()));
            }
        });
        Self { port, portals, cut, connections }
    }

    /// Which portals there are.
    pub fn lead_to(&self, portals: Vec<SocketAddr>) {
        *self.portals.lock().unwrap() = portals;
    }

    pub fn cut(&self, how: Cut) {
        self.cut.send_replace(Some(how));
    }

    /// New connections work again; those that were cut are gone.
    pub fn mend(&self) {
        self.cut.send_replace(None);
    }

    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }
}

async fn lead(mut sensor: TcpStream, portal: Option<SocketAddr>, state: watch::Receiver<Option<Cut>>) {
    let Some(portal) = portal else { return };
    if *state.borrow() == Some(Cut::Reset) {
        return;
    }
    let Ok(mut portal) = TcpStream::connect(portal).await else { return };
    let (mut from_sensor, mut to_sensor) = sensor.split();
    let (mut from_portal, mut to_portal) = portal.split();
    tokio::select! {
        () = carry(&mut from_sensor, &mut to_portal, state.clone(), |cut| cut == Cut::Silence) => {}
        () = carry(&mut from_portal, &mut to_sensor, state.clone(), |cut| cut != Cut::Reset) => {}
        () = over(state) => {}
    }
}

/// Carries bytes; while the cable is cut for this direction they are lost.
async fn carry(
    from: &mut (impl AsyncReadExt + Unpin),
    to: &mut (impl AsyncWriteExt + Unpin),
    state: watch::Receiver<Option<Cut>>,
    lost: impl Fn(Cut) -> bool,
) {
    let mut some = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut some).await {
        if state.borrow().is_some_and(&lost) {
            continue;
        }
        if to.write_all(&some[..count]).await.is_err() {
            return;
        }
    }
}

/// Ends with a reset, or when a cut that lost bytes is mended: such a connection is of no use any more.
async fn over(mut state: watch::Receiver<Option<Cut>>) {
    let mut was_cut = false;
    loop {
        match *state.borrow_and_update() {
            Some(Cut::Reset) => return,
            Some(_) => was_cut = true,
            None if was_cut => return,
            None => {}
        }
        if state.changed().await.is_err() {
            return;
        }
    }
}

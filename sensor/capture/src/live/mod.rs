//! Frames from a network interface, through libpcap's TPACKET_V3 ring.
//!
//! The interface is only ever read: nothing in this project sends a frame, and frames that the machine itself sends are
//! not lent. An interface that is missing, down or taken away is waited for and opened again when it is back.
//!
//! The ring is left in non-blocking mode and waited for with poll(2): since Linux 3.19 a silent interface never wakes a
//! blocking reader, and a reader that sleeps can neither count drops nor stop. Immediate mode stays off, because libpcap
//! falls back to the slower TPACKET_V2 with it. libpcap takes the VLAN tag that the kernel took out from the ring's auxiliary
//! data and puts it back into the bytes.
//!
//! One interface may be read by several sources, each with a ring of its own, see `fanout`. The thread that reads a
//! ring can be tied to a processor with [`pin`].

mod counters;
mod fanout;
mod interfaces;

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use eyot_contract::Timestamp;
use nix::errno::Errno;
use nix::poll::{poll, PollFd, PollFlags, PollTimeout};
use nix::sched::{sched_setaffinity, CpuSet};
use nix::unistd::Pid;
use pcap::{Active, Capture, Direction, Linktype};

pub use fanout::MAX_RINGS;
pub use interfaces::{interface, interfaces, Interface};

use crate::{Frame, LinkType, Pulled, Source, SourceError, Statistics, Stop};
use counters::Widened;

/// Size of the kernel's ring, in bytes. 64 MiB hold a third of a second of 1.6 Gbit/s; libpcap's own default of 2 MiB
/// holds ten milliseconds.
pub const DEFAULT_RING_BYTES: usize = 64 << 20;
/// Longest frame taken whole, in bytes: offloads may have merged frames far beyond the MTU.
const SNAP_LEN: i32 = 262_144;
/// How long the kernel may keep a block that is not full, in milliseconds.
const BLOCK_TIMEOUT_MS: i32 = 100;
/// How long one pull waits for frames, in milliseconds.
const WAIT_MS: u16 = 100;
/// Pause between looks at an interface that is not there or not up.
const REOPEN_EVERY: Duration = Duration::from_secs(1);

/// What to capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveOptions {
    /// Kernel name of the interface.
    pub interface: String,
    /// Ring size in bytes.
    pub ring_bytes: usize,
    /// Capture filter in libpcap's language; `None` takes everything.
    pub filter: Option<String>,
    /// This is one of several sources of the interface in this process, between which its frames are divided.
    pub shared: bool,
}

impl LiveOptions {
    /// Everything that passes the interface, with the default ring.
    pub fn new(interface: impl Into<String>) -> Self {
        Self { interface: interface.into(), ring_bytes: DEFAULT_RING_BYTES, filter: None, shared: false }
    }
}

/// An interface being read.
pub struct LiveSource {
    options: LiveOptions,
    ring: Option<Ring>,
    problem: Option<String>,
    retry_at: Instant,
    statistics: Statistics,
    received: Widened,
    dropped: Widened,
    interface_dropped: Widened,
    stop: Stop,
}

struct Ring {
    capture: Capture<Active>,
    link: LinkType,
    index: Option<u32>,
    checked: Instant,
}

impl LiveSource {
    /// A source for this interface, opened at once if it can be.
    ///
    /// # Errors
    /// When it is there and up and still cannot be opened: permission, a wrong filter.
    pub fn open(options: LiveOptions) -> Result<Self, SourceError> {
        let mut source = Self {
            options,
            ring: None,
            problem: None,
            retry_at: Instant::now(),
            statistics: Statistics::default(),
            received: Widened::default(),
            dropped: Widened::default(),
            interface_dropped: Widened::default(),
            stop: Stop::default(),
        };
        source.reopen()?;
        Ok(source)
    }

    /// Kernel name of the interface.
    pub fn interface(&self) -> &str {
        &self.options.interface
    }

    /// Why no frames can come now, if they cannot.
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    fn reopen(&mut self) -> Result<(), SourceError> {
        self.retry_at = Instant::now() + REOPEN_EVERY;
        self.problem = unusable(&self.options.interface);
        if self.problem.is_some() {
            return Ok(());
        }
        match Ring::open(&self.options) {
            Ok(ring) => {
                self.ring = Some(ring);
                Ok(())
            }
            Err(source) => {
                // it may have gone between the look and the opening
                self.problem = unusable(&self.options.interface);
                if self.problem.is_some() {
                    return Ok(());
                }
                Err(SourceError::Open { interface: self.options.interface.clone(), source: Box::new(source) })
            }
        }
    }

    fn lose(&mut self, problem: String) {
        self.update_statistics();
        self.ring = None;
        self.received.restart();
        self.dropped.restart();
        self.interface_dropped.restart();
        self.problem = Some(problem);
        self.retry_at = Instant::now() + REOPEN_EVERY;
    }

    fn update_statistics(&mut self) {
        let Some(stat) = self.ring.as_mut().and_then(|ring| ring.capture.stats().ok()) else { return };
        self.statistics.kernel_received = self.received.update(stat.received);
        self.statistics.kernel_dropped = self.dropped.update(stat.dropped);
        self.statistics.interface_dropped = self.interface_dropped.update(stat.if_dropped);
    }
}

impl Source for LiveSource {
    fn pull(&mut self, max: usize, each: &mut dyn FnMut(&Frame<'_>)) -> Result<Pulled, SourceError> {
        if self.stop.is_stopped() {
            return Ok(Pulled::Ended);
        }
        let Some(ring) = &mut self.ring else {
            if Instant::now() < self.retry_at {
                std::thread::sleep(Duration::from_millis(u64::from(WAIT_MS)));
                return Ok(Pulled::Waiting);
            }
            self.reopen()?;
            self.statistics.reopened += u64::from(self.ring.is_some());
            return Ok(Pulled::Waiting);
        };
        let statistics = &mut self.statistics;
        let mut lend = |frame: &Frame<'_>| {
            statistics.frames += 1;
            statistics.bytes += frame.bytes.len() as u64;
            each(frame);
        };
        let pulled = match ring.dispatch(max, &mut lend) {
            Ok(0) => {
                ring.wait().map_err(|errno| SourceError::Wait {
                    interface: self.options.interface.clone(),
                    source: errno.into(),
                })?;
                ring.dispatch(max, &mut lend)
            }
            other => other,
        };
        match pulled {
            Ok(0) => {
                if ring.was_replaced(&self.options.interface) {
                    self.lose(format!("interface {} was taken away", self.options.interface));
                }
                Ok(Pulled::Waiting)
            }
            Ok(count) => Ok(Pulled::Frames(count)),
            Err(error) => {
                self.lose(format!("interface {} was lost: {error}", self.options.interface));
                Ok(Pulled::Waiting)
            }
        }
    }

    fn statistics(&mut self) -> Statistics {
        self.update_statistics();
        self.statistics
    }

    fn stop_handle(&self) -> Stop {
        self.stop.clone()
    }
}

impl Ring {
    fn open(options: &LiveOptions) -> Result<Self, pcap::Error> {
        let mut capture = Capture::from_device(options.interface.as_str())?
            .buffer_size(i32::try_from(options.ring_bytes).unwrap_or(i32::MAX))
            .snaplen(SNAP_LEN)
            .timeout(BLOCK_TIMEOUT_MS)
            .promisc(true)
            .open()?
            .setnonblock()?;
        capture.direction(Direction::In)?;
        if let Some(filter) = &options.filter {
            capture.filter(filter, true)?;
        }
        let link = LinkType(u16::try_from(capture.get_datalink().0).unwrap_or(u16::MAX));
        let index = interfaces::index(&options.interface);
        if options.shared {
            fanout::join(&capture, index.unwrap_or_default())
                .map_err(|e| pcap::Error::PcapError(format!("its rings cannot share its frames: {e}")))?;
        }
        Ok(Self { capture, link, index, checked: Instant::now() })
    }

    fn dispatch(&mut self, max: usize, each: &mut dyn FnMut(&Frame<'_>)) -> Result<usize, pcap::Error> {
        let link = self.link;
        self.capture.dispatch(Some(max.min(i32::MAX as usize)), |packet| {
            let time = packet.header.ts;
            each(&Frame {
                at: Timestamp(time.tv_sec * 1_000_000 + time.tv_usec),
                link,
                bytes: packet.data,
                wire_len: packet.header.len,
                vlan: None,
            });
        })
    }

    fn wait(&self) -> Result<(), Errno> {
        let mut ready = [PollFd::new(self.capture.as_fd(), PollFlags::POLLIN)];
        match poll(&mut ready, PollTimeout::from(WAIT_MS)) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(errno) => Err(errno),
        }
    }

    /// Whether the name now belongs to another interface or to none; looked at once a second while nothing comes.
    fn was_replaced(&mut self, name: &str) -> bool {
        if self.checked.elapsed() < REOPEN_EVERY {
            return false;
        }
        self.checked = Instant::now();
        interfaces::index(name) != self.index
    }
}

/// Ties the calling thread to a processor, by its number from 0.
///
/// # Errors
/// When there is no such processor, or this process may not use it.
pub fn pin(processor: usize) -> std::io::Result<()> {
    let mut set = CpuSet::new();
    set.set(processor)?;
    sched_setaffinity(Pid::from_raw(0), &set)?;
    Ok(())
}

/// Checks a capture filter without touching an interface.
///
/// # Errors
/// libpcap's reason, when it cannot be compiled for Ethernet.
pub fn check_filter(filter: &str) -> Result<(), String> {
    let dead = Capture::dead(Linktype::ETHERNET).map_err(|e| e.to_string())?;
    dead.compile(filter, true).map(drop).map_err(|e| e.to_string())
}

/// Why the interface cannot be opened now, if so.
fn unusable(name: &str) -> Option<String> {
    match interface(name) {
        None => Some(format!("interface {name} does not exist")),
        Some(found) if !found.up => Some(format!("interface {name} is down")),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn p8_a_missing_interface_is_waited_for_and_the_wait_can_be_stopped() {
        let mut source = LiveSource::open(LiveOptions::new("no-such-nic")).unwrap();
        assert_eq!(source.problem(), Some("interface no-such-nic does not exist"));
        assert_eq!(source.pull(10, &mut |_| ()).unwrap(), Pulled::Waiting);
        source.stop_handle().stop();
        assert_eq!(source.pull(10, &mut |_| ()).unwrap(), Pulled::Ended);
    }

    #[test]
    fn a_thread_can_be_pinned_to_a_processor_there_is() {
        std::thread::spawn(|| {
            pin(0).unwrap();
            assert!(pin(100_000).is_err());
        })
        .join()
        .unwrap();
    }

    #[test]
    fn filters_are_checked_before_use() {
        check_filter("not port 443 and vlan 10").unwrap();
        let reason = check_filter("port nonsense (").unwrap_err();
        assert!(!reason.is_empty());
    }
}

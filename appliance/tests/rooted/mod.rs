//! An appliance made half of real files (below a temporary root) and half of pretence: two adapters that are as they
//! should be, and programs that only take note.

#![allow(clippy::unwrap_used, missing_docs)]

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Mutex;

use eyot_appliance::host::{
    Access, Adapter, Discard, Flags, FrameTap, Guard, Host, HostError, Machine, Offload, ReadSeek, Resources,
};
use eyot_appliance::paths;
use eyot_contract::{MacAddr, Timestamp};

/// The real files below a temporary root; no adapters, and programs that only take note.
pub struct Rooted {
    machine: Machine,
    /// What was run.
    pub ran: Mutex<Vec<String>>,
    /// Which changing step of the file system fails, counted from 0.
    pub fail_at: Option<usize>,
    changes: AtomicUsize,
    /// File that serves as the disc in the drive.
    pub disc: Option<String>,
    /// Whether it is an appliance and not somebody's own server.
    pub owns_network: bool,
    /// What `ip addr` says of the management adapter.
    pub address: &'static str,
}

impl Host for Rooted {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, HostError> {
        match self.owns_network && path == paths::NETWORK_ENABLED {
            true => Ok(Some(Vec::new())),
            false => self.machine.read(path),
        }
    }
    fn write(&self, path: &str, content: &[u8], access: Access) -> Result<bool, HostError> {
        self.step(path)?;
        self.machine.write(path, content, access)
    }
    fn overwrite(&self, path: &str, content: &[u8]) -> Result<(), HostError> {
        self.step(path)?;
        self.machine.overwrite(path, content)
    }
    fn edit_shared(&self, path: &str, edit: &dyn Fn(&[u8]) -> Option<Vec<u8>>) -> Result<bool, HostError> {
        self.step(path)?;
        self.machine.edit_shared(path, edit)
    }
    fn remove(&self, path: &str) -> Result<(), HostError> {
        self.step(path)?;
        self.machine.remove(path)
    }
    fn files_below(&self, dir: &str) -> Result<Vec<String>, HostError> {
        self.machine.files_below(dir)
    }
    fn make_dir(&self, dir: &str, access: Access) -> Result<(), HostError> {
        self.step(dir)?;
        self.machine.make_dir(dir, access)
    }
    fn replace_dir(&self, new: &str, old: &str) -> Result<(), HostError> {
        self.step(old)?;
        self.machine.replace_dir(new, old)
    }
    fn link(&self, link: &str, target: &str) -> Result<bool, HostError> {
        self.step(link)?;
        self.machine.link(link, target)
    }
    fn lock(&self, path: &str) -> Result<Option<Box<dyn Guard>>, HostError> {
        self.machine.lock(path)
    }
    fn run(&self, program: &str, arguments: &[&str]) -> Result<String, HostError> {
        let mut ran = self.ran.lock().unwrap();
        ran.push(format!("{program} {}", arguments.join(" ")));
        match (program, arguments) {
            // the rules that were loaded last
            ("nft", ["list", "ruleset"]) => {
                let path = [paths::FIREWALL_CANDIDATE, paths::FIREWALL];
                let text = path.iter().find_map(|p| self.machine.read(p).unwrap());
                Ok(text.map(|t| String::from_utf8(t).unwrap()).unwrap_or_default())
            }
            ("systemctl", ["is-active", ..]) => {
                let started = ran.iter().any(|l| l.contains("start eyot-sensor"));
                Ok(if started { "active\n" } else { "inactive\n" }.to_owned())
            }
            ("ip", _) => Ok(self.address.to_owned()),
            _ => Ok(String::new()),
        }
    }
    fn set_hostname(&self, _: &str) -> Result<(), HostError> {
        Ok(())
    }
    fn hostname(&self) -> String {
        "eyot-test".to_owned()
    }
    fn resources(&self) -> Result<Resources, HostError> {
        self.machine.resources()
    }
    fn clock_is_kept(&self) -> Result<bool, HostError> {
        Ok(false)
    }
    fn set_clock(&self, now: Timestamp) -> Result<(), HostError> {
        self.machine.set_clock(now)
    }
    fn address_holder(&self, _: &str, _: std::net::Ipv4Addr) -> Result<Option<MacAddr>, HostError> {
        Ok(None)
    }
    fn adapters(&self) -> Result<Vec<Adapter>, HostError> {
        let adapter = |name: &str, index: u8, capture: bool| Adapter {
            name: name.to_owned(),
            index: index.into(),
            mac: MacAddr([2, 0, 0, 0, 0, index]),
            driver: None,
            bus: Some(format!("0000:0{index}:00.0")),
            hardware: true,
            enslaved: false,
            flags: Flags { up: true, arp: !capture, multicast: !capture, promiscuous: capture },
            link: true,
            speed: None,
            addressed: !capture,
            default_route: !capture,
            mtu: 9216,
            ipv6: !capture,
            offloads: Default::default(),
            rings: None,
            queues: None,
            rx_frames: 7,
            tx_frames: 0,
        };
        Ok(vec![adapter("ens160", 3, false), adapter("ens192", 4, true)])
    }
    fn tap(&self, adapter: &str) -> Result<Box<dyn FrameTap>, HostError> {
        self.machine.tap(adapter)
    }
    fn blink(&self, _: &str, _: u32) -> Result<(), HostError> {
        Ok(())
    }
    fn set_flags(&self, _: &str, _: Flags) -> Result<(), HostError> {
        Ok(())
    }
    fn set_mtu(&self, _: &str, _: u32) -> Result<(), HostError> {
        Ok(())
    }
    fn set_ipv6(&self, _: &str, _: bool) -> Result<(), HostError> {
        Ok(())
    }
    fn set_offload(&self, _: &str, _: Offload, _: bool) -> Result<(), HostError> {
        Ok(())
    }
    fn set_rings(&self, _: &str, _: u32) -> Result<(), HostError> {
        Ok(())
    }
    fn set_queues(&self, _: &str, _: u32) -> Result<(), HostError> {
        Ok(())
    }
    fn block_devices(&self) -> Result<Vec<String>, HostError> {
        Ok(self.disc.iter().cloned().collect())
    }
    fn open_device(&self, device: &str) -> Result<Box<dyn ReadSeek>, HostError> {
        self.machine.open_device(device)
    }
    fn discard_free_blocks(&self, path: &str) -> Result<Discard, HostError> {
        self.step(path)?;
        self.machine.discard_free_blocks(path)
    }
}

impl Rooted {
    pub fn below(root: &Path) -> Self {
        let address = "3: ens160    inet 192.0.2.10/24 brd 192.0.2.255 scope global ens160\n";
        Self {
            machine: Machine::below(root),
            ran: Mutex::default(),
            fail_at: None,
            changes: AtomicUsize::new(0),
            disc: None,
            owns_network: false,
            address,
        }
    }

    /// Counts a step and fails if it is this one's turn.
    fn step(&self, subject: &str) -> Result<(), HostError> {
        match self.fail_at == Some(self.changes.fetch_add(1, Ordering::Relaxed)) {
            true => Err(HostError {
                step: "made to fail on",
                subject: subject.to_owned(),
                source: std::io::Error::other("power cut"),
            }),
            false => Ok(()),
        }
    }
}

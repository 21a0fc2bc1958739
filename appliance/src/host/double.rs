//! A machine made of memory, for tests: it remembers what was done, and fails on purpose at any chosen step.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io::{self, Cursor};
use std::sync::Mutex;

use eyot_contract::{MacAddr, Timestamp};

use super::{
    Access, Adapter, Discard, Flags, FrameTap, Guard, Host, HostError, Offload, ReadSeek, Resources, Rings,
    Sampled,
};

#[derive(Default)]
pub(crate) struct Double {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    state: State,
    volumes: BTreeMap<String, Vec<u8>>,
    log: Vec<String>,
    /// Which changing step fails, counted from 0.
    fail_at: Option<usize>,
    /// Before which one the process dies.
    die_at: Option<usize>,
    changes: usize,
    /// Adapter settings refused as unsupported, as logged.
    unsupported: Vec<&'static str>,
    largest_mtu: u32,
    discard: Option<Discard>,
    /// The live ruleset as the tests' nft keeps it.
    nft_rejects: bool,
    after_firewall: Option<fn(&mut State)>,
    /// VMware's variables as its tool gives them; for one that is not there the tool fails.
    guestinfo: BTreeMap<String, String>,
    no_rpctool: bool,
    /// Who answers for an address.
    holders: BTreeMap<std::net::Ipv4Addr, MacAddr>,
    /// What questions to programs are answered with.
    answers: BTreeMap<String, String>,
    clock_kept: bool,
    /// What arrives at each adapter.
    frames: BTreeMap<String, Vec<Sampled>>,
    resources: Resources,
}

/// What a process that dies unwinds with.
pub(crate) struct Death;

/// All that a test compares before and after.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct State {
    pub(crate) files: BTreeMap<String, (Vec<u8>, Access)>,
    pub(crate) adapters: Vec<Adapter>,
    pub(crate) ruleset: String,
    pub(crate) hostname: String,
    /// What the clock was set to.
    pub(crate) clock: Option<Timestamp>,
}

impl Double {
    pub(crate) fn with_adapters(adapters: Vec<Adapter>) -> Self {
        let double = Self::default();
        double.inner.lock().unwrap().state.adapters = adapters;
        double
    }

    pub(crate) fn put(&self, path: &str, content: &str) {
        let mut inner = self.inner.lock().unwrap();
        inner.state.files.insert(path.to_owned(), (content.as_bytes().to_vec(), Access::Root));
    }

    /// Another machine that answers for an address.
    pub(crate) fn neighbour(&self, address: std::net::Ipv4Addr, mac: MacAddr) {
        self.inner.lock().unwrap().holders.insert(address, mac);
    }

    /// A program's answer to a question.
    pub(crate) fn says(&self, question: &str, answer: &str) {
        self.inner.lock().unwrap().answers.insert(question.to_owned(), answer.to_owned());
    }

    /// Frames that arrive at an adapter, for every tap opened from now on.
    pub(crate) fn arrive(&self, adapter: &str, frames: Vec<Sampled>) {
        self.inner.lock().unwrap().frames.insert(adapter.to_owned(), frames);
    }

    pub(crate) fn keep_clock(&self) {
        self.inner.lock().unwrap().clock_kept = true;
    }

    pub(crate) fn clock(&self) -> Option<Timestamp> {
        self.inner.lock().unwrap().state.clock
    }

    pub(crate) fn access(&self, path: &str) -> Option<Access> {
        self.inner.lock().unwrap().state.files.get(path).map(|(_, access)| *access)
    }

    pub(crate) fn text(&self, path: &str) -> Option<String> {
        let inner = self.inner.lock().unwrap();
        inner.state.files.get(path).map(|(c, _)| String::from_utf8_lossy(c).into_owned())
    }

    pub(crate) fn insert_disc(&self, device: &str, content: Vec<u8>) {
        self.inner.lock().unwrap().volumes.insert(device.to_owned(), content);
    }

    pub(crate) fn fail_at(&self, step: usize) {
        let mut inner = self.inner.lock().unwrap();
        inner.fail_at = Some(step);
        inner.changes = 0;
    }

    /// The process dies before this step: it unwinds with [`Death`], and nothing that would put things back is run by us.
    pub(crate) fn die_at(&self, step: usize) {
        let mut inner = self.inner.lock().unwrap();
        inner.die_at = Some(step);
        inner.changes = 0;
    }

    /// Nothing is made to fail any more. Says how many changing steps there were since it was arranged.
    pub(crate) fn go_on(&self) -> usize {
        let mut inner = self.inner.lock().unwrap();
        (inner.fail_at, inner.die_at) = (None, None);
        std::mem::take(&mut inner.changes)
    }

    /// The power fails and comes back: files in `/run` are gone, the kernel begins anew with these adapters, and
    /// `eyot-firewall.service` loads the rules on disk.
    pub(crate) fn power_cut(&self, adapters: Vec<Adapter>) {
        let mut inner = self.inner.lock().unwrap();
        let state = &mut inner.state;
        state.files.retain(|path, _| !path.starts_with("/run/"));
        state.adapters = adapters;
        let text = |path: &str| state.files.get(path).map(|(c, _)| String::from_utf8(c.clone()).unwrap());
        let rules = text(crate::paths::FIREWALL);
        state.ruleset = rules
            .and_then(|text| Some(text.strip_prefix("flush ruleset\n")?.trim_start().to_owned()))
            .unwrap_or_default();
        state.hostname = text(crate::paths::HOSTNAME).unwrap_or_default().trim().to_owned();
    }

    pub(crate) fn refuse(&self, what: &'static str) {
        self.inner.lock().unwrap().unsupported.push(what);
    }

    pub(crate) fn largest_mtu(&self, mtu: u32) {
        self.inner.lock().unwrap().largest_mtu = mtu;
    }

    pub(crate) fn reject_rulesets(&self) {
        self.inner.lock().unwrap().nft_rejects = true;
    }

    pub(crate) fn after_firewall(&self, act: fn(&mut State)) {
        self.inner.lock().unwrap().after_firewall = Some(act);
    }

    pub(crate) fn discard_gives(&self, discard: Discard) {
        self.inner.lock().unwrap().discard = Some(discard);
    }

    pub(crate) fn set_guestinfo(&self, document: &str) {
        self.set_variable("guestinfo.ovfEnv", document);
    }

    pub(crate) fn set_variable(&self, variable: &str, value: &str) {
        self.inner.lock().unwrap().guestinfo.insert(variable.to_owned(), value.to_owned());
    }

    pub(crate) fn variable(&self, variable: &str) -> Option<String> {
        self.inner.lock().unwrap().guestinfo.get(variable).cloned()
    }

    pub(crate) fn without_rpctool(&self) {
        self.inner.lock().unwrap().no_rpctool = true;
    }

    pub(crate) fn state(&self) -> State {
        self.inner.lock().unwrap().state.clone()
    }

    pub(crate) fn change(&self, act: impl FnOnce(&mut State)) {
        act(&mut self.inner.lock().unwrap().state);
    }

    /// What was done, in order, since last asked.
    pub(crate) fn take_log(&self) -> Vec<String> {
        std::mem::take(&mut self.inner.lock().unwrap().log)
    }

    /// A changing step: logged, counted, and failing if it is this one's turn.
    fn step<T>(
        &self,
        step: &'static str,
        subject: &str,
        act: impl FnOnce(&mut Inner) -> io::Result<T>,
    ) -> Result<T, HostError> {
        let mut inner = self.inner.lock().unwrap();
        let number = inner.changes;
        inner.changes += 1;
        if inner.die_at == Some(number) {
            drop(inner);
            // no panic: there is nothing to report
            std::panic::resume_unwind(Box::new(Death));
        }
        if inner.fail_at == Some(number) {
            return Err(HostError::new(step, subject, io::Error::other("made to fail")));
        }
        inner.log.push(format!("{step} {subject}"));
        act(&mut inner).map_err(|e| HostError::new(step, subject, e))
    }

    fn adapter_step(
        &self,
        what: &'static str,
        name: &str,
        act: impl FnOnce(&mut Adapter),
    ) -> Result<(), HostError> {
        if self.inner.lock().unwrap().unsupported.contains(&what) {
            return Err(HostError::new(what, name, io::Error::from_raw_os_error(nix::libc::EOPNOTSUPP)));
        }
        self.step(what, name, |inner| {
            let found = inner.state.adapters.iter_mut().find(|a| a.name == name);
            act(found.ok_or_else(|| io::Error::from_raw_os_error(nix::libc::ENODEV))?);
            Ok(())
        })
    }
}

pub(crate) fn adapter(name: &str, index: u8, bus: Option<&str>) -> Adapter {
    Adapter {
        name: name.to_owned(),
        index: u32::from(index),
        mac: MacAddr([0x52, 0x54, 0, 0, 0, index]),
        driver: Some("vmxnet3".to_owned()),
        bus: bus.map(str::to_owned),
        hardware: bus.is_some(),
        enslaved: false,
        flags: Flags { up: false, arp: true, multicast: true, promiscuous: false },
        link: false,
        speed: None,
        addressed: false,
        default_route: false,
        mtu: 1500,
        ipv6: true,
        offloads: Offload::ALL.into_iter().map(|o| (o, o != Offload::Ufo)).collect(),
        rings: Some(Rings { rx: 256, rx_max: 4096 }),
        queues: Some(4),
        rx_frames: 0,
        tx_frames: 0,
    }
}

struct Frames(Vec<Sampled>);

impl FrameTap for Frames {
    fn take(&mut self, most: usize) -> io::Result<Vec<Sampled>> {
        let rest = self.0.split_off(self.0.len().min(most));
        Ok(std::mem::replace(&mut self.0, rest))
    }
}

struct NoGuard;
impl Guard for NoGuard {}

impl Host for Double {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, HostError> {
        Ok(self.inner.lock().unwrap().state.files.get(path).map(|(c, _)| c.clone()))
    }

    fn write(&self, path: &str, content: &[u8], access: Access) -> Result<bool, HostError> {
        let new = (content.to_vec(), access);
        if self.inner.lock().unwrap().state.files.get(path) == Some(&new) {
            return Ok(false);
        }
        self.step("writing", path, |inner| {
            inner.state.files.insert(path.to_owned(), new);
            Ok(true)
        })
    }

    fn overwrite(&self, path: &str, content: &[u8]) -> Result<(), HostError> {
        self.step("overwriting", path, |inner| {
            let file = inner.state.files.get_mut(path).ok_or(io::ErrorKind::NotFound)?;
            assert_eq!(file.0.len(), content.len());
            file.0 = content.to_vec();
            Ok(())
        })
    }

    fn edit_shared(&self, path: &str, edit: &dyn Fn(&[u8]) -> Option<Vec<u8>>) -> Result<bool, HostError> {
        let Some(new) = self.read(path)?.and_then(|content| edit(&content)) else { return Ok(false) };
        self.step("changing", path, |inner| {
            inner.state.files.insert(path.to_owned(), (new, Access::Root));
            Ok(true)
        })
    }

    fn remove(&self, path: &str) -> Result<(), HostError> {
        if !self.inner.lock().unwrap().state.files.contains_key(path) {
            return Ok(());
        }
        self.step("removing", path, |inner| {
            inner.state.files.remove(path);
            Ok(())
        })
    }

    fn files_below(&self, dir: &str) -> Result<Vec<String>, HostError> {
        let inner = self.inner.lock().unwrap();
        Ok(inner.state.files.keys().filter(|p| p.starts_with(&format!("{dir}/"))).cloned().collect())
    }

    fn make_dir(&self, _: &str, _: Access) -> Result<(), HostError> {
        Ok(())
    }

    fn replace_dir(&self, new: &str, old: &str) -> Result<(), HostError> {
        self.step("putting in place", old, |inner| {
            let below = |path: &str, dir: &str| path.starts_with(&format!("{dir}/"));
            inner.state.files.retain(|p, _| !below(p, old));
            let files = std::mem::take(&mut inner.state.files);
            inner.state.files = files
                .into_iter()
                .map(|(p, c)| match below(&p, new) {
                    true => (p.replacen(new, old, 1), c),
                    false => (p, c),
                })
                .collect();
            Ok(())
        })
    }

    fn link(&self, link: &str, target: &str) -> Result<bool, HostError> {
        self.write(link, format!("-> {target}").as_bytes(), Access::Everyone)
    }

    fn lock(&self, _: &str) -> Result<Option<Box<dyn Guard>>, HostError> {
        Ok(Some(Box::new(NoGuard)))
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Result<String, HostError> {
        let told = format!("{program} {}", arguments.join(" "));
        match (program, arguments) {
            // questions, which change nothing
            ("nft", ["list", "ruleset"]) => Ok(self.inner.lock().unwrap().state.ruleset.clone()),
            ("systemctl", ["is-active", ..]) => Ok("active\n".to_owned()),
            ("ip", _) | ("systemctl", ["show", ..]) => {
                Ok(self.inner.lock().unwrap().answers.get(&told).cloned().unwrap_or_default())
            }
            ("vmware-rpctool", _) if self.inner.lock().unwrap().no_rpctool => {
                Err(HostError::new("running", told, io::ErrorKind::NotFound.into()))
            }
            ("vmware-rpctool", [request]) | ("vmtoolsd", ["--cmd", request]) => {
                if let Some(variable) = request.strip_prefix("info-get ") {
                    let known = self.variable(variable);
                    return known
                        .ok_or_else(|| HostError::new("running", told, io::Error::other("No value found")));
                }
                let set = request.strip_prefix("info-set ").expect("not a request");
                let (variable, value) = set.split_once(' ').expect("not a request");
                self.step("running", &told, |inner| {
                    inner.guestinfo.insert(variable.to_owned(), value.to_owned());
                    Ok(String::new())
                })
            }
            ("nft", ["-c", "-f", path]) => self.step("running", &told, |inner| {
                assert!(inner.state.files.contains_key(*path));
                match inner.nft_rejects {
                    true => Err(io::Error::other("syntax error")),
                    false => Ok(String::new()),
                }
            }),
            ("nft", ["-f", path]) => self.step("running", &told, |inner| {
                let text = String::from_utf8(inner.state.files[*path].0.clone()).unwrap();
                inner.state.ruleset = text
                    .strip_prefix("flush ruleset\n")
                    .expect("not a whole ruleset")
                    .trim_start()
                    .to_owned();
                if let Some(act) = inner.after_firewall.take() {
                    act(&mut inner.state);
                }
                Ok(String::new())
            }),
            ("netplan", ["generate"]) | (crate::apply::network::GENERATOR, _) => {
                self.step("running", &told, |inner| {
                    match inner.state.files.get(crate::paths::NETPLAN).cloned() {
                        Some(file) => {
                            inner.state.files.insert(crate::paths::NETWORKD_GENERATED.to_owned(), file)
                        }
                        None => inner.state.files.remove(crate::paths::NETWORKD_GENERATED),
                    };
                    Ok(String::new())
                })
            }
            _ => self.step("running", &told, |_| Ok(String::new())),
        }
    }

    fn set_hostname(&self, name: &str) -> Result<(), HostError> {
        self.step("setting host name", name, |inner| {
            inner.state.hostname = name.to_owned();
            Ok(())
        })
    }

    fn hostname(&self) -> String {
        self.inner.lock().unwrap().state.hostname.clone()
    }

    fn resources(&self) -> Result<Resources, HostError> {
        Ok(self.inner.lock().unwrap().resources)
    }

    fn clock_is_kept(&self) -> Result<bool, HostError> {
        Ok(self.inner.lock().unwrap().clock_kept)
    }

    fn set_clock(&self, now: Timestamp) -> Result<(), HostError> {
        self.step("setting", "the clock", |inner| {
            inner.state.clock = Some(now);
            Ok(())
        })
    }

    fn address_holder(&self, _: &str, address: std::net::Ipv4Addr) -> Result<Option<MacAddr>, HostError> {
        Ok(self.inner.lock().unwrap().holders.get(&address).copied())
    }

    fn adapters(&self) -> Result<Vec<Adapter>, HostError> {
        Ok(self.inner.lock().unwrap().state.adapters.clone())
    }

    fn tap(&self, adapter: &str) -> Result<Box<dyn FrameTap>, HostError> {
        Ok(Box::new(Frames(self.inner.lock().unwrap().frames.get(adapter).cloned().unwrap_or_default())))
    }

    fn blink(&self, adapter: &str, _: u32) -> Result<(), HostError> {
        Err(HostError::new("blinking", adapter, io::Error::from_raw_os_error(nix::libc::EOPNOTSUPP)))
    }

    fn set_flags(&self, adapter: &str, flags: Flags) -> Result<(), HostError> {
        self.adapter_step("flags", adapter, |a| a.flags = flags)
    }

    fn set_mtu(&self, adapter: &str, mtu: u32) -> Result<(), HostError> {
        let largest = self.inner.lock().unwrap().largest_mtu;
        if largest != 0 && mtu > largest {
            return Err(HostError::new("mtu", adapter, io::Error::from_raw_os_error(nix::libc::EINVAL)));
        }
        self.adapter_step("mtu", adapter, |a| a.mtu = mtu)
    }

    fn set_ipv6(&self, adapter: &str, on: bool) -> Result<(), HostError> {
        self.adapter_step("ipv6", adapter, |a| a.ipv6 = on)
    }

    fn set_offload(&self, adapter: &str, offload: Offload, on: bool) -> Result<(), HostError> {
        self.adapter_step("offload", adapter, |a| {
            a.offloads.insert(offload, on);
        })
    }

    fn set_queues(&self, adapter: &str, rx: u32) -> Result<(), HostError> {
        self.adapter_step("queues", adapter, |a| a.queues = Some(rx))
    }

    fn set_rings(&self, adapter: &str, rx: u32) -> Result<(), HostError> {
        self.adapter_step("rings", adapter, |a| {
            if let Some(rings) = &mut a.rings {
                rings.rx = rx;
            }
        })
    }

    fn block_devices(&self) -> Result<Vec<String>, HostError> {
        Ok(self.inner.lock().unwrap().volumes.keys().cloned().collect())
    }

    fn open_device(&self, device: &str) -> Result<Box<dyn ReadSeek>, HostError> {
        Ok(Box::new(Cursor::new(self.inner.lock().unwrap().volumes[device].clone())))
    }

    fn discard_free_blocks(&self, path: &str) -> Result<Discard, HostError> {
        let discard = self.inner.lock().unwrap().discard.unwrap_or(Discard::Unsupported);
        self.step("discarding free blocks below", path, |_| Ok(discard))
    }
}

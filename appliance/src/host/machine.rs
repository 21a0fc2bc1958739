//! The real machine.

#![allow(unsafe_code)] // FITRIM is an ioctl; adjtimex has no safe wrapper

use std::fs::{self, File, OpenOptions};
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use eyot_contract::{MacAddr, Timestamp};

use nix::fcntl::{Flock, FlockArg};
use nix::libc;

use super::ethtool::Control;
use super::{arp, files, shared, sysfs, tap};
use super::{
    Access, Adapter, Discard, Flags, FrameTap, Guard, Host, HostError, Offload, ReadSeek, Resources,
};

/// linux/fs.h, `_IOWR('X', 121, struct fstrim_range)`
const FITRIM: libc::c_ulong = 0xc018_5879;

/// The machine the agent runs on. Files other than the kernel's own are looked for below a root directory.
pub struct Machine {
    root: PathBuf,
}

impl Machine {
    /// Works below `root`, `/` on an appliance. `/sys`, `/proc` and `/dev` are always the machine's.
    pub fn below(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    fn at(&self, path: &str) -> PathBuf {
        let of_the_kernel = ["/sys/", "/proc/", "/dev/"].iter().any(|p| path.starts_with(p));
        match of_the_kernel {
            true => PathBuf::from(path),
            false => self.root.join(path.trim_start_matches('/')),
        }
    }

    fn control<T>(
        step: &'static str,
        adapter: &str,
        act: impl FnOnce(&Control) -> io::Result<T>,
    ) -> Result<T, HostError> {
        Control::open().and_then(|c| act(&c)).map_err(|e| HostError::new(step, adapter, e))
    }
}

impl Host for Machine {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, HostError> {
        files::read(&self.at(path))
    }

    fn write(&self, path: &str, content: &[u8], access: Access) -> Result<bool, HostError> {
        files::write(&self.at(path), content, access)
    }

    fn overwrite(&self, path: &str, content: &[u8]) -> Result<(), HostError> {
        files::overwrite(&self.at(path), content)
    }

    fn edit_shared(&self, path: &str, edit: &dyn Fn(&[u8]) -> Option<Vec<u8>>) -> Result<bool, HostError> {
        shared::edit(&self.at(path), edit)
    }

    fn remove(&self, path: &str) -> Result<(), HostError> {
        files::remove(&self.at(path))
    }

    fn files_below(&self, dir: &str) -> Result<Vec<String>, HostError> {
        let mut found = Vec::new();
        files::files_below(&self.at(dir), &mut found)?;
        Ok(found
            .iter()
            .filter_map(|p| Some(format!("/{}", p.strip_prefix(&self.root).ok()?.to_str()?)))
            .collect())
    }

    fn make_dir(&self, dir: &str, access: Access) -> Result<(), HostError> {
        files::make_dir(&self.at(dir), access)
    }

    fn replace_dir(&self, new: &str, old: &str) -> Result<(), HostError> {
        files::replace_dir(&self.at(new), &self.at(old))
    }

    fn link(&self, link: &str, target: &str) -> Result<bool, HostError> {
        files::link(&self.at(link), target)
    }

    fn lock(&self, path: &str) -> Result<Option<Box<dyn Guard>>, HostError> {
        let fail = |e| HostError::new("locking", path, e);
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).map_err(fail)?;
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path).map_err(fail)?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Some(Box::new(lock))),
            Err((_, nix::errno::Errno::EWOULDBLOCK)) => Ok(None),
            Err((_, e)) => Err(fail(e.into())),
        }
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Result<String, HostError> {
        let line = format!("{program} {}", arguments.join(" "));
        let told = || line.clone();
        // a file below another root is not where the program would look for it
        let arguments: Vec<String> = arguments
            .iter()
            .map(|a| match a.starts_with("/run/") || a.starts_with("/etc/") {
                true => self.at(a).display().to_string(),
                false => (*a).to_owned(),
            })
            .collect();
        // a program by its path is this root's own; one by its name is looked for as ever
        let program = if program.starts_with('/') { self.at(program) } else { PathBuf::from(program) };
        let before = children_s();
        let output = Command::new(program)
            .args(&arguments)
            .stdin(Stdio::null())
            .env("LC_ALL", "C")
            .output()
            .map_err(|e| HostError::new("running", told(), e))?;
        tracing::debug!("{}: {:.2} s of the processor", told(), children_s() - before);
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let words = String::from_utf8_lossy(&output.stderr);
        let line = words.lines().find(|l| !l.trim().is_empty()).unwrap_or("it said nothing");
        Err(HostError::new(
            "running",
            told(),
            io::Error::other(format!("{} ({})", line.trim(), output.status)),
        ))
    }

    fn set_hostname(&self, name: &str) -> Result<(), HostError> {
        nix::unistd::sethostname(name).map_err(|e| HostError::new("setting host name", name, e.into()))
    }

    fn hostname(&self) -> String {
        nix::unistd::gethostname().ok().and_then(|n| n.into_string().ok()).unwrap_or_default()
    }

    fn resources(&self) -> Result<Resources, HostError> {
        let fail = |e: nix::errno::Errno| HostError::new("measuring", crate::paths::STATE_DIR, e.into());
        let unknown = |e: sysinfo::Error| {
            HostError::new("measuring", "processors and memory", io::Error::other(e.to_string()))
        };
        let mut system = sysinfo::System::new().map_err(unknown)?;
        system.refresh_memory();
        system.refresh_cpu_list(sysinfo::CpuRefreshKind::nothing().with_frequency());
        // before the first activation there is no directory of the agent's own
        let state = self.at(crate::paths::STATE_DIR);
        let disk =
            nix::sys::statvfs::statvfs(if state.exists() { &state } else { &self.root }).map_err(fail)?;
        let unit = disk.fragment_size();
        Ok(Resources {
            processors: system.cpus().len().try_into().unwrap_or(u32::MAX),
            megahertz: system.cpus().iter().map(|c| c.frequency()).max().unwrap_or(0),
            memory: system.total_memory(),
            memory_available: system.available_memory(),
            disk: disk.blocks() * unit,
            disk_free: disk.blocks_available() * unit,
            uptime_s: sysinfo::System::uptime().map_err(unknown)?,
        })
    }

    fn clock_is_kept(&self) -> Result<bool, HostError> {
        // SAFETY: a structure of numbers, for which zeros are valid; with modes 0 the kernel only fills it in.
        let (state, timex) = unsafe {
            let mut timex: libc::timex = std::mem::zeroed();
            (libc::adjtimex(&raw mut timex), timex)
        };
        match state {
            -1 => Err(HostError::new("reading", "the clock's state", io::Error::last_os_error())),
            _ => Ok(timex.status & libc::STA_UNSYNC == 0),
        }
    }

    fn set_clock(&self, now: Timestamp) -> Result<(), HostError> {
        let fail = |e| HostError::new("setting", "the clock", e);
        if self.root != Path::new("/") {
            // a root that is a folder of the machine we run on: its clock is not ours
            return Err(fail(io::Error::other("this is not the appliance's own machine")));
        }
        let time = nix::sys::time::TimeSpec::new(now.seconds(), 0);
        nix::time::clock_settime(nix::time::ClockId::CLOCK_REALTIME, time).map_err(|e| fail(e.into()))
    }

    fn address_holder(&self, adapter: &str, address: Ipv4Addr) -> Result<Option<MacAddr>, HostError> {
        let adapters = self.adapters()?;
        let Some(known) = adapters.iter().find(|a| a.name == adapter) else { return Ok(None) };
        arp::holder(known.index, known.mac, address)
            .map_err(|e| HostError::new("asking for other holders of", address.to_string(), e))
    }

    fn adapters(&self) -> Result<Vec<Adapter>, HostError> {
        Self::control("listing", "network adapters", sysfs::adapters)
    }

    fn tap(&self, adapter: &str) -> Result<Box<dyn FrameTap>, HostError> {
        let fail = |e| HostError::new("sampling what arrives at", adapter, e);
        let index = nix::net::if_::if_nametoindex(adapter).map_err(|e| fail(e.into()))?;
        Ok(Box::new(tap::Tap::open(index).map_err(fail)?))
    }

    fn blink(&self, adapter: &str, seconds: u32) -> Result<(), HostError> {
        Self::control("blinking the light of", adapter, |c| c.blink(adapter, seconds))
    }

    fn set_flags(&self, adapter: &str, flags: Flags) -> Result<(), HostError> {
        Self::control("setting the flags of", adapter, |c| c.set_flags(adapter, flags))
    }

    fn set_mtu(&self, adapter: &str, mtu: u32) -> Result<(), HostError> {
        Self::control("setting the MTU of", adapter, |c| c.set_mtu(adapter, mtu))
    }

    fn set_ipv6(&self, adapter: &str, on: bool) -> Result<(), HostError> {
        let switch = sysfs::ipv6_switch(adapter);
        match fs::write(&switch, if on { "0" } else { "1" }) {
            // no IPv6 in this kernel: off already
            Err(e) if e.kind() == io::ErrorKind::NotFound && !on => Ok(()),
            other => other.map_err(|e| HostError::new("setting IPv6 of", adapter, e)),
        }
    }

    fn set_offload(&self, adapter: &str, offload: Offload, on: bool) -> Result<(), HostError> {
        Self::control("setting an offload of", adapter, |c| c.set_offload(adapter, offload, on))
    }

    fn set_rings(&self, adapter: &str, rx: u32) -> Result<(), HostError> {
        Self::control("setting the receive ring of", adapter, |c| c.set_rings(adapter, rx))
    }

    fn set_queues(&self, adapter: &str, rx: u32) -> Result<(), HostError> {
        Self::control("setting the receive queues of", adapter, |c| c.set_queues(adapter, rx))
    }

    fn block_devices(&self) -> Result<Vec<String>, HostError> {
        let fail = |e| HostError::new("listing", "/sys/class/block", e);
        let mut names = Vec::new();
        for entry in fs::read_dir("/sys/class/block").map_err(fail)? {
            let name = entry.map_err(fail)?.file_name();
            let wanted = ["sr", "vd", "sd", "hd", "xvd", "nvme"];
            names
                .extend(name.to_str().filter(|n| wanted.iter().any(|w| n.starts_with(w))).map(str::to_owned));
        }
        names.sort_by_key(|n| (!n.starts_with("sr"), n.clone()));
        Ok(names.into_iter().map(|n| format!("/dev/{n}")).collect())
    }

    fn open_device(&self, device: &str) -> Result<Box<dyn ReadSeek>, HostError> {
        File::open(device)
            .map(|f| Box::new(f) as Box<dyn ReadSeek>)
            .map_err(|e| HostError::new("opening", device, e))
    }

    fn discard_free_blocks(&self, path: &str) -> Result<Discard, HostError> {
        let fail = |e| HostError::new("discarding free blocks below", path, e);
        let dir = File::open(self.at(path)).map_err(fail)?;
        // a root that is a folder of the machine we run on: its disk is not ours to trim
        let device = |m: fs::Metadata| m.dev();
        let ours =
            dir.metadata().map(device).map_err(fail)? == fs::metadata("/").map(device).map_err(fail)?;
        if self.root != Path::new("/") && ours {
            return Ok(Discard::Unsupported);
        }
        // blocks freed in a transaction that is not committed yet would be passed over
        nix::unistd::syncfs(&dir).map_err(|e| fail(e.into()))?;
        let mut range = TrimRange { start: 0, length: u64::MAX, minimum: 0 };
        // SAFETY: the descriptor is open and `range` has the layout of struct fstrim_range.
        let done = unsafe { libc::ioctl(dir.as_raw_fd(), FITRIM as _, std::ptr::from_mut(&mut range)) };
        if done == 0 {
            return Ok(Discard::Done(range.length));
        }
        let error = io::Error::last_os_error();
        match error.raw_os_error() {
            Some(libc::EOPNOTSUPP | libc::ENOTTY | libc::EINVAL) => Ok(Discard::Unsupported),
            _ => Err(fail(error)),
        }
    }
}

/// Seconds of the processor that the programs called so far have used, those of other threads included.
fn children_s() -> f64 {
    use nix::sys::resource::{getrusage, UsageWho};
    use nix::sys::time::TimeValLike;
    let seconds = |time: nix::sys::time::TimeVal| time.num_microseconds() as f64 / 1e6;
    getrusage(UsageWho::RUSAGE_CHILDREN).map_or(0.0, |u| seconds(u.user_time()) + seconds(u.system_time()))
}

/// `struct fstrim_range`, linux/fs.h; bytes.
#[repr(C)]
struct TrimRange {
    start: u64,
    length: u64,
    minimum: u64,
}

impl Guard for Flock<File> {}

//! The kernel's news about adapters and addresses: a NETLINK_ROUTE socket (rtnetlink(7)) whose messages are only counted.
//!
//! Whoever is woken looks at the whole machine anyway, because news can be lost (ENOBUFS) and old by the time they are
//! read; so nothing of them is decoded, and no crate for it is needed.

#![allow(unsafe_code)] // netlink addresses have no safe wrapper for binding to groups in the nix features used here

use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use nix::libc;
use tokio::io::unix::AsyncFd;
use tokio::io::Interest;

/// Links, IPv4 and IPv6 addresses.
const GROUPS: libc::c_int = libc::RTMGRP_LINK | libc::RTMGRP_IPV4_IFADDR | libc::RTMGRP_IPV6_IFADDR;

/// Wakes when something about adapters has changed.
pub struct LinkNews {
    socket: AsyncFd<Socket>,
}

struct Socket(OwnedFd);

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl LinkNews {
    /// Listens from now on. Needs a tokio runtime.
    ///
    /// # Errors
    /// The kernel gives no socket.
    pub fn open() -> io::Result<Self> {
        let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        // SAFETY: no pointer is passed.
        let raw = unsafe { libc::socket(libc::AF_NETLINK, kind, libc::NETLINK_ROUTE) };
        if raw < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has just given us this descriptor.
        let socket = unsafe { OwnedFd::from_raw_fd(raw) };
        // SAFETY: a structure of numbers, for which zeros are valid.
        let mut address: libc::sockaddr_nl = unsafe { zeroed() };
        address.nl_family = libc::AF_NETLINK as u16;
        address.nl_groups = GROUPS as u32;
        // SAFETY: the pointer and length are those of `address`.
        let bound = unsafe {
            libc::bind(
                raw,
                std::ptr::from_ref(&address).cast(),
                size_of::<libc::sockaddr_nl>() as libc::socklen_t,
            )
        };
        if bound < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the socket owns its descriptor and gives the same one out for as long as it lives.
        let socket = unsafe { AsyncFd::register_with_interest(Socket(socket), Interest::READABLE)? };
        Ok(Self { socket })
    }

    /// Waits until there is news, and takes all there is.
    ///
    /// # Errors
    /// The socket fails; lost news are news.
    pub async fn next(&mut self) -> io::Result<()> {
        loop {
            let mut ready = self.socket.readable().await?;
            if let Ok(outcome) = ready.try_io(|socket| drain(socket.get_ref())) {
                return outcome;
            }
        }
    }
}

/// Reads until nothing is left. `WouldBlock` if there was nothing at all.
fn drain(socket: &Socket) -> io::Result<()> {
    let mut some = false;
    let mut buffer = [0_u8; 8192];
    loop {
        // SAFETY: the descriptor is open and the pointer and length are those of `buffer`.
        let got = unsafe { libc::recv(socket.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), 0) };
        if got >= 0 {
            some = true;
            continue;
        }
        let error = io::Error::last_os_error();
        match error.raw_os_error() {
            Some(libc::EINTR) => {}
            // more news than the socket holds: they are lost, and that is news too
            Some(libc::ENOBUFS) => some = true,
            Some(libc::EAGAIN) if some => return Ok(()),
            _ => return Err(error),
        }
    }
}

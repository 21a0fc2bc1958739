//! One ARP question on one adapter (RFC 826), asked as RFC 5227 wants it: with no sender address, so that nobody's table
//! changes. The kernel has no call for this.

#![allow(unsafe_code)] // packet sockets' addresses have no safe wrapper

use std::io;
use std::mem::{size_of, zeroed};
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

use eyot_contract::MacAddr;
use nix::libc;

/// How long answers are waited for.
const PATIENCE: Duration = Duration::from_millis(600);
/// Pause between two questions.
const PAUSE: Duration = Duration::from_millis(200);
/// EtherType.
const ARP: u16 = 0x0806;
/// Bytes of an ARP packet for Ethernet and IPv4.
const PACKET_BYTES: usize = 28;

/// Who else than `own` has `address`, if anybody says so in time.
pub(super) fn holder(index: u32, own: MacAddr, address: Ipv4Addr) -> io::Result<Option<MacAddr>> {
    let socket = open(index)?;
    let question = question(own, address);
    let started = Instant::now();
    let mut asked: Option<Instant> = None;
    while started.elapsed() < PATIENCE {
        if asked.is_none_or(|at| at.elapsed() >= PAUSE) {
            send(&socket, index, &question)?;
            asked = Some(Instant::now());
        }
        let mut buffer = [0_u8; 64];
        // SAFETY: the descriptor is open and the pointer and length are those of `buffer`.
        let got = unsafe { libc::recv(socket.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), 0) };
        match usize::try_from(got) {
            Ok(got) => {
                if let Some(holder) = sender(buffer.get(..got).unwrap_or_default(), address) {
                    if holder != own {
                        return Ok(Some(holder));
                    }
                }
            }
            Err(_) => {
                let error = io::Error::last_os_error();
                // the socket's own time limit, after which it is time to ask again
                if !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) {
                    return Err(error);
                }
            }
        }
    }
    Ok(None)
}

fn question(own: MacAddr, address: Ipv4Addr) -> [u8; PACKET_BYTES] {
    let mut packet = [0; PACKET_BYTES];
    // Ethernet, IPv4, their lengths, request
    packet[..8].copy_from_slice(&[0, 1, 8, 0, 6, 4, 0, 1]);
    packet[8..14].copy_from_slice(&own.0);
    packet[24..28].copy_from_slice(&address.octets());
    packet
}

/// The sender of a packet, if it says that it has `address`. Requests say so as well as replies.
fn sender(packet: &[u8], address: Ipv4Addr) -> Option<MacAddr> {
    let is_ethernet_ipv4 = packet.get(..6)? == [0, 1, 8, 0, 6, 4];
    let mac: [u8; 6] = packet.get(8..14)?.try_into().ok()?;
    let has = packet.get(14..18)? == address.octets();
    (is_ethernet_ipv4 && has).then_some(MacAddr(mac))
}

fn open(index: u32) -> io::Result<OwnedFd> {
    let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC;
    // SAFETY: no pointer is passed.
    let raw = unsafe { libc::socket(libc::AF_PACKET, kind, i32::from(ARP.to_be())) };
    if raw < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just given us this descriptor.
    let socket = unsafe { OwnedFd::from_raw_fd(raw) };
    let limit = libc::timeval { tv_sec: 0, tv_usec: 100_000 };
    // SAFETY: the pointer and length are those of `limit`.
    let set = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_RCVTIMEO,
            std::ptr::from_ref(&limit).cast(),
            length::<libc::timeval>(),
        )
    };
    let place = place(index);
    // SAFETY: the pointer and length are those of `place`.
    let bound = unsafe {
        libc::bind(socket.as_raw_fd(), std::ptr::from_ref(&place).cast(), length::<libc::sockaddr_ll>())
    };
    match set == 0 && bound == 0 {
        true => Ok(socket),
        false => Err(io::Error::last_os_error()),
    }
}

fn send(socket: &OwnedFd, index: u32, packet: &[u8]) -> io::Result<()> {
    let to = place(index);
    // SAFETY: pointers and lengths are those of `packet` and `to`.
    let sent = unsafe {
        libc::sendto(
            socket.as_raw_fd(),
            packet.as_ptr().cast(),
            packet.len(),
            0,
            std::ptr::from_ref(&to).cast(),
            length::<libc::sockaddr_ll>(),
        )
    };
    match sent < 0 {
        true => Err(io::Error::last_os_error()),
        false => Ok(()),
    }
}

/// Everybody on the adapter's network.
fn place(index: u32) -> libc::sockaddr_ll {
    // SAFETY: a structure of numbers, for which zeros are valid.
    let mut place: libc::sockaddr_ll = unsafe { zeroed() };
    place.sll_family = libc::AF_PACKET as libc::sa_family_t;
    place.sll_protocol = ARP.to_be();
    place.sll_ifindex = index as libc::c_int;
    place.sll_halen = 6;
    place.sll_addr = [0xff; 8];
    place
}

fn length<T>() -> libc::socklen_t {
    size_of::<T>() as libc::socklen_t
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_names_nobody_and_an_answer_is_understood() {
        let (own, address) = (MacAddr([2, 0, 0, 0, 0, 1]), Ipv4Addr::new(192, 0, 2, 10));
        let asked = question(own, address);
        assert_eq!(sender(&asked, address), None, "the sender's address is left open");
        let mut answer = asked;
        answer[7] = 2;
        answer[14..18].copy_from_slice(&address.octets());
        assert_eq!(sender(&answer, address), Some(own));
        assert_eq!(sender(&answer, Ipv4Addr::new(192, 0, 2, 11)), None);
        assert_eq!(sender(&answer[..20], address), Some(own), "the target does not matter");
        assert_eq!(sender(&answer[..17], address), None);
    }
}

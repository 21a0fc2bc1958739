//! The beginnings of frames that an adapter receives, a sample of them: a packet socket (packet(7)) that nobody has to
//! read. Its buffer is small; when it is full the kernel passes frames over, so a sample costs the same on a busy mirror
//! as on a quiet one.
//!
//! Adapters that take VLAN tags off the frame say so in `PACKET_AUXDATA`; such a frame counts as tagged.

#![allow(unsafe_code)] // packet sockets' addresses and ancillary data have no safe wrapper

use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use nix::libc;

use super::{FrameTap, Sampled};

/// Bytes kept of each frame: Ethernet, two tags, IPv6 and TCP ports fit.
const SNAP_BYTES: u32 = 128;
/// Bytes of the socket's buffer; the kernel doubles it. A few hundred frames.
const BUFFER_BYTES: libc::c_int = 1 << 19;
/// linux/if_ether.h
const ETH_P_ALL: u16 = 0x0003;
/// linux/if_packet.h
const PACKET_AUXDATA: libc::c_int = 8;
const TP_STATUS_VLAN_VALID: u32 = 1 << 4;

/// A socket on one adapter.
pub(super) struct Tap {
    socket: OwnedFd,
}

/// `struct tpacket_auxdata`, linux/if_packet.h
#[repr(C)]
#[derive(Clone, Copy)]
struct AuxiliaryData {
    status: u32,
    length: u32,
    snap_length: u32,
    mac: u16,
    net: u16,
    vlan_tci: u16,
    vlan_tpid: u16,
}

impl Tap {
    pub(super) fn open(index: u32) -> io::Result<Self> {
        // protocol 0: nothing arrives before the filter is in place
        // SAFETY: no pointer is passed.
        let raw = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
        if raw < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has just given us this descriptor.
        let tap = Self { socket: unsafe { OwnedFd::from_raw_fd(raw) } };
        // "return SNAP_BYTES", the whole filter program: the kernel copies no more of a frame
        let mut program =
            [libc::sock_filter { code: (libc::BPF_RET | libc::BPF_K) as u16, jt: 0, jf: 0, k: SNAP_BYTES }];
        let filter = libc::sock_fprog { len: 1, filter: program.as_mut_ptr() };
        tap.set(libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &filter)?;
        tap.set(libc::SOL_SOCKET, libc::SO_RCVBUF, &BUFFER_BYTES)?;
        tap.set(libc::SOL_PACKET, PACKET_AUXDATA, &1_i32)?;
        // SAFETY: a structure of numbers, for which zeros are valid.
        let mut address: libc::sockaddr_ll = unsafe { zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_protocol = ETH_P_ALL.to_be();
        address.sll_ifindex = index as i32;
        // SAFETY: the pointer and length are those of `address`.
        let bound = unsafe {
            libc::bind(
                tap.socket.as_raw_fd(),
                std::ptr::from_ref(&address).cast(),
                size_of::<libc::sockaddr_ll>() as libc::socklen_t,
            )
        };
        if bound < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(tap)
    }

    fn set<T>(&self, level: libc::c_int, option: libc::c_int, value: &T) -> io::Result<()> {
        // SAFETY: the pointer and length are those of `value`, which lives through the call.
        let set = unsafe {
            libc::setsockopt(
                self.socket.as_raw_fd(),
                level,
                option,
                std::ptr::from_ref(value).cast(),
                size_of::<T>() as libc::socklen_t,
            )
        };
        if set < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }

    fn receive(&self, buffer: &mut [u8; SNAP_BYTES as usize]) -> io::Result<Option<(usize, bool, bool)>> {
        // u64 for the alignment that control messages need
        let mut control = [0_u64; 16];
        // SAFETY: structures of numbers and pointers, for which zeros are valid.
        let (mut header, mut from): (libc::msghdr, libc::sockaddr_ll) = unsafe { (zeroed(), zeroed()) };
        let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
        header.msg_iov = &raw mut part;
        header.msg_iovlen = 1;
        header.msg_name = std::ptr::from_mut(&mut from).cast();
        header.msg_namelen = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
        header.msg_control = control.as_mut_ptr().cast();
        header.msg_controllen = size_of_val(&control) as _;
        // SAFETY: every pointer in the header points to something that lives through the call, with its length.
        let got = unsafe { libc::recvmsg(self.socket.as_raw_fd(), &raw mut header, libc::MSG_DONTWAIT) };
        let Ok(got) = usize::try_from(got) else {
            let error = io::Error::last_os_error();
            return match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(None),
                _ => Err(error),
            };
        };
        let mut tagged = false;
        // SAFETY: the kernel filled the header's control buffer; the macros stay inside it, and the data is copied out
        // without regard to alignment.
        unsafe {
            let mut message = libc::CMSG_FIRSTHDR(&raw const header);
            while !message.is_null() {
                let room =
                    (*message).cmsg_len as usize >= size_of::<libc::cmsghdr>() + size_of::<AuxiliaryData>();
                if (*message).cmsg_level == libc::SOL_PACKET && (*message).cmsg_type == PACKET_AUXDATA && room
                {
                    let data: AuxiliaryData = std::ptr::read_unaligned(libc::CMSG_DATA(message).cast());
                    tagged = data.status & TP_STATUS_VLAN_VALID != 0;
                }
                message = libc::CMSG_NXTHDR(&raw const header, message);
            }
        }
        Ok(Some((got.min(buffer.len()), tagged, from.sll_pkttype == libc::PACKET_OUTGOING)))
    }
}

impl FrameTap for Tap {
    fn take(&mut self, most: usize) -> io::Result<Vec<Sampled>> {
        let mut frames = Vec::new();
        let mut buffer = [0; SNAP_BYTES as usize];
        while frames.len() < most {
            let Some((length, tagged, outgoing)) = self.receive(&mut buffer)? else { break };
            if !outgoing {
                let bytes = buffer.get(..length).unwrap_or_default().to_vec();
                frames.push(Sampled { bytes, tag_taken_off: tagged });
            }
        }
        Ok(frames)
    }
}

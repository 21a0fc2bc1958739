//! Several rings of one interface: each frame goes to one of them, chosen by its flow (packet(7), PACKET_FANOUT).
//!
//! libpcap knows nothing of fanout; the option is set on its socket once it is bound. The kernel's flow hash is the same
//! in both directions since Linux 4.7 (and 4.4.16), so a connection's two sides meet in one ring. Fragments are put together for
//! the choice only, so that they follow their datagram.
//!
//! `unsafe`, because neither nix nor the standard library has this option: one call of setsockopt(2) with the address
//! and size of a local integer.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use nix::libc;

/// Most rings of one interface: more than any machine this is for has processors to spare.
pub const MAX_RINGS: usize = 16;

/// Joins the group of the interface with that index. All rings of one interface of one process are one group.
pub(super) fn join(socket: &impl AsFd, index: u32) -> io::Result<()> {
    let mode = libc::PACKET_FANOUT_HASH | libc::PACKET_FANOUT_FLAG_DEFRAG;
    let value = u32::from(group(std::process::id(), index)) | mode << 16;
    // SAFETY: the address and the length are those of `value`, which outlives the call; the kernel only reads it.
    let result = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_FANOUT,
            std::ptr::from_ref(&value).cast(),
            size_of_val(&value) as libc::socklen_t,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// A group's number must be its own within a network namespace; two processes that meet by accident are told so by the kernel
/// only if their modes differ, hence both numbers are spread over all bits.
fn group(process: u32, index: u32) -> u16 {
    let mixed = (u64::from(process) << 32 | u64::from(index)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 48) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_do_not_share_a_group() {
        let mut groups: Vec<u16> =
            (0..20).flat_map(|process| (1..5).map(move |index| group(4_000 + process, index))).collect();
        groups.sort_unstable();
        groups.dedup();
        assert!(groups.len() >= 78, "{}", groups.len());
    }
}

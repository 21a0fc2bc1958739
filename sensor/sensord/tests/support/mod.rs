//! Frames and capture files that the tests write themselves.

#![allow(dead_code, clippy::unwrap_used)]

/// The MAC address of device `n`.
pub fn mac(n: u8) -> String {
    format!("00:11:22:33:44:{n:02x}")
}

fn mac_bytes(n: u8) -> [u8; 6] {
    [0x00, 0x11, 0x22, 0x33, 0x44, n]
}

/// An ARP announcement of device `n` at 192.0.2.n (RFC 826).
pub fn arp(n: u8) -> Vec<u8> {
    let mut frame = vec![0xff; 6];
    frame.extend(mac_bytes(n));
    frame.extend([0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1]);
    frame.extend(mac_bytes(n));
    frame.extend([192, 0, 2, n, 0, 0, 0, 0, 0, 0, 192, 0, 2, n]);
    frame
}

/// A DHCP request of device `n` with a host name (RFC 2131, RFC 2132).
pub fn dhcp_request(n: u8, hostname: &str) -> Vec<u8> {
    let mut dhcp = vec![1, 1, 6, 0, 1, 2, 3, 4, 0, 0, 0, 0];
    dhcp.extend([0; 16]);
    dhcp.extend(mac_bytes(n));
    dhcp.extend([0; 10 + 64 + 128]);
    dhcp.extend([0x63, 0x82, 0x53, 0x63, 53, 1, 3, 55, 3, 1, 3, 6, 12, hostname.len() as u8]);
    dhcp.extend(hostname.bytes());
    dhcp.push(255);
    let udp_len = (8 + dhcp.len()) as u16;
    let ip_len = 20 + udp_len;
    let mut frame = vec![0xff; 6];
    frame.extend(mac_bytes(n));
    frame.extend([0x08, 0x00, 0x45, 0]);
    frame.extend(ip_len.to_be_bytes());
    frame.extend([0, 0, 0, 0, 64, 17, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255]);
    frame.extend([0, 68, 0, 67]);
    frame.extend(udp_len.to_be_bytes());
    frame.extend([0, 0]);
    frame.extend(dhcp);
    frame
}

/// A classic pcap file of Ethernet frames with their times in seconds.
pub fn pcap(frames: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend(0xa1b2_c3d4_u32.to_le_bytes());
    out.extend([2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    out.extend(262_144_u32.to_le_bytes());
    out.extend(1_u32.to_le_bytes());
    for (seconds, bytes) in frames {
        for word in [*seconds, 0, bytes.len() as u32, bytes.len() as u32] {
            out.extend(word.to_le_bytes());
        }
        out.extend(bytes);
    }
    out
}

/// The same as pcapng: a section, an interface with second resolution, enhanced packets.
pub fn pcapng(frames: &[(u32, Vec<u8>)]) -> Vec<u8> {
    fn block(out: &mut Vec<u8>, kind: u32, body: &[u8]) {
        let padded = body.len().next_multiple_of(4);
        let length = (padded as u32 + 12).to_le_bytes();
        out.extend(kind.to_le_bytes());
        out.extend(length);
        out.extend(body);
        out.extend(vec![0; padded - body.len()]);
        out.extend(length);
    }
    let mut out = Vec::new();
    block(
        &mut out,
        0x0a0d_0d0a,
        &[0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255],
    );
    block(&mut out, 1, &[1, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    for (seconds, bytes) in frames {
        let mut body = vec![0; 8];
        for word in [*seconds, bytes.len() as u32, bytes.len() as u32] {
            body.extend(word.to_le_bytes());
        }
        body.extend(bytes);
        block(&mut out, 6, &body);
    }
    out
}

/// The frame with an 802.1Q tag.
pub fn in_vlan(vlan: u16, frame: &[u8]) -> Vec<u8> {
    let mut tagged = frame[..12].to_vec();
    tagged.extend([0x81, 0x00]);
    tagged.extend(vlan.to_be_bytes());
    tagged.extend(&frame[12..]);
    tagged
}

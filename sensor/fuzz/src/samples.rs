//! Messages to begin with, written here: one for each protocol, a real one where a few lines make it.
//!
//! They are what the tree keeps as seeds. Those made of captures know far more, but captures are their owners'.

use eyot_dissect::protocols;

use crate::frames;

/// Messages in text, by protocol.
const TEXTS: &[(&str, &str)] = &[
    ("ftp", "220 printer FTP server ready\r\n"),
    ("http", "HTTP/1.1 401 No\r\nServer: cam/1.2\r\nWWW-Authenticate: Basic realm=\"cam\"\r\n\r\n"),
    ("rtsp", "RTSP/1.0 200 OK\r\nCSeq: 1\r\nServer: cam/1.2\r\n\r\n"),
    ("sip", "REGISTER sip:a SIP/2.0\r\nUser-Agent: phone/1\r\nContact: <sip:1@192.0.2.1>\r\n\r\n"),
    ("smtp", "220 mail ESMTP\r\n"),
    ("ssdp", "NOTIFY * HTTP/1.1\r\nNT: upnp:rootdevice\r\nSERVER: a/1 UPnP/1.0 b/2\r\nUSN: uuid:1\r\n\r\n"),
    ("ssh", "SSH-2.0-dropbear_2019.78\r\n"),
    ("fox", "fox a 0 -1 fox hello\n{\nfox.version=s:1.0.1\nhostName=s:a\napp.version=s:3.8\n};;\n"),
    ("hiflying", "192.168.1.20,001122334455,HF-LPB100"),
    ("ipp", "HTTP/1.1 200 OK\r\nContent-Type: application/ipp\r\nContent-Length: 31\r\n\r\n\u{1}\u{1}\0\0\0\0\0\u{7}\u{4}\u{41}\0\u{c}printer-info\0\u{4}Hall\u{3}"),
    ("pjl", "@PJL INFO ID\r\n\"LASER 1\"\r\n\u{c}"),
    ("poct1", "<?xml version=\"1.0\"?><HEL.R01><DEV><DEV.vendor_id V=\"a\"/><DEV.model_id V=\"b\"/></DEV></HEL.R01>"),
    ("sadp", "<?xml version=\"1.0\"?><ProbeMatch><DeviceDescription>DS-2</DeviceDescription><DeviceSN>1</DeviceSN></ProbeMatch>"),
    ("wiz", "{\"method\":\"getSystemConfig\",\"result\":{\"mac\":\"001122334455\",\"moduleName\":\"ESP01\",\"fwVersion\":\"1.1\"}}"),
    ("upnp", "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n\r\n<root xmlns=\"urn:schemas-upnp-org:device-1-0\"><device><modelName>a</modelName></device></root>"),
    ("wsd", "<Envelope><Body><ProbeMatches><Types>dn:Printer</Types></ProbeMatches></Body></Envelope>"),
];
/// Messages in bytes, by protocol.
const BYTES: &[(&str, &[u8])] = &[
    ("arp", ARP),
    ("bjnp", b"BJNP\x81\x30\0\0\0\x01\0\0\0\0\0\x18\0\x18MFG:Canon;MDL:MX860;x=y"),
    ("dahua", b"\x20\0\0\0DHIP\0\0\0\0\0\0\0\0\xff\0\0\0\0\0\0\0\xff\0\0\0\0\0\0\0{\"method\":\"client.notifyDevInfo\",\"params\":{\"deviceInfo\":{\"DeviceClass\":\"IPC\",\"DeviceType\":\"a\"}}}"),
    ("dns", QUESTION),
    ("edp", b"\x01\0\0\x3c\0\0\0\x01\0\0\0\x04\x96\x01\x02\x03\x99\x02\0\x24\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\x0f\x03\x02\x0b\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x99\x01\0\x0aX440-1\x99\0\0\x04"),
    ("eq3", b"eQ3MaxApKEQ0123456>I\0\x09\x7f\x2c\x01\x13"),
    ("fdp", b"\x01\xb4\0\0\0\x01\0\x0acloset\0\x06\0\x0fICX6430-24P"),
    ("lifx", b"\x38\0\0\x54\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x0f\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x50\0\x02\0"),
    ("lldp", LLDP),
    ("llmnr", QUESTION),
    ("mdns", QUESTION),
    ("miio", b"\x21\x31\0\x20\0\0\0\0\0\x12\xd6\x87\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
    ("smarter", b"\x65\x01\x13~"),
    ("snmp", SNMP),
    ("tcp", SYN),
];
/// A question of DNS: `a.test`, any record.
const QUESTION: &[u8] = b"\0\x01\x01\0\0\x01\0\0\0\0\0\0\x01a\x04test\0\0\xff\0\x01";
/// An address request.
const ARP: &[u8] =
    b"\0\x01\x08\0\x06\x04\0\x01\0\x11\x22\x33\x44\x55\xc0\xa8\x01\x14\0\0\0\0\0\0\xc0\xa8\x01\x01";
/// Chassis, port, time to live, name, end.
const LLDP: &[u8] = b"\x02\x07\x04\0\x11\x22\x33\x44\x55\x04\x03\x05p1\x06\x02\0\x78\x0a\x02sw\0\0";
/// Version 1, community public, sysDescr is "box1".
const SNMP: &[u8] = b"\x30\x2a\x02\x01\0\x04\x06public\xa2\x1d\x02\x01\x01\x02\x01\0\x02\x01\0\x30\x12\x30\x10\x06\x08\x2b\x06\x01\x02\x01\x01\x01\0\x04\x04box1";
/// A segment that asks for a connection, with the options of Linux.
const SYN: &[u8] = b"\x9c\x40\0\x50\0\0\0\x01\0\0\0\0\xa0\x02\xfa\xf0\0\0\0\0\x02\x04\x05\xb4\x04\x02\x08\x0a\0\0\0\x01\0\0\0\0\x01\x03\x03\x07";

/// For each protocol, in the registry's order, its name and an input of the target `dissector`.
pub fn inputs() -> Vec<(&'static str, Vec<u8>)> {
    let input = |name: &str| [name.as_bytes(), &[0], &message(name)].concat();
    protocols().iter().map(|protocol| (protocol.name, input(protocol.name))).collect()
}

/// All of them in one capture file (pcap, microseconds, Ethernet): an input of the target `capture`.
pub fn capture() -> Vec<u8> {
    let mut file = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0];
    let mut seconds = 1_u32;
    for protocol in protocols() {
        for frame in frames(protocol, &message(protocol.name)) {
            let length = (frame.len() as u32).to_le_bytes();
            file.extend([seconds.to_le_bytes(), [0; 4], length, length].concat());
            file.extend(frame);
            seconds += 1;
        }
    }
    file
}

fn message(name: &str) -> Vec<u8> {
    let text = TEXTS.iter().find(|(of, _)| *of == name).map(|(_, text)| text.as_bytes());
    let known = text.or_else(|| BYTES.iter().find(|(of, _)| *of == name).map(|(_, bytes)| *bytes));
    match name {
        "dhcp" => dhcp(),
        "dicom" => dicom(),
        _ => known.map_or_else(|| (0..48).collect(), <[u8]>::to_vec),
    }
}

/// A modality asks an archive for an association.
fn dicom() -> Vec<u8> {
    let mut bytes = vec![1, 0, 0, 0, 0, 0, 0, 1, 0, 0];
    bytes.extend(b"PACS            CT01            ");
    bytes.resize(bytes.len() + 32, 0);
    bytes.extend(b"\x10\0\0\x15\x31.2.840.10008.3.1.1.1\x50\0\0\x10\x52\0\0\x0c1.3.12.2.1.1");
    bytes[5] = (bytes.len() - 6) as u8;
    bytes
}

/// A request with host name, vendor class and the list of what is asked for.
fn dhcp() -> Vec<u8> {
    let mut bytes = vec![1, 1, 6, 0, 0, 0, 0, 1];
    bytes.resize(28, 0);
    bytes.extend([0x00, 0x11, 0x22, 0x33, 0x44, 0x55]);
    bytes.resize(236, 0);
    bytes.extend(b"\x63\x82\x53\x63\x35\x01\x03\x0c\x03cam\x3c\x05udhcp\x37\x03\x01\x03\x06\xff");
    bytes
}

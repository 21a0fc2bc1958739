//! Bytes to observations. Opens nothing, reads no clock, never panics.
//!
//! [`Dissector::frame`] takes one captured frame and tells its sink what the frame says about devices: one
//! [`Observation`] per reading. What a reading means is not decided here (that is `identify`), nor which readings belong
//! to one device (that is `inventory`).
//!
//! The way of a frame: `link` takes the link header and VLAN tags off, `packet` the IP and transport headers; most frames
//! end there, having cost two table look-ups. The few that carry identity go to their protocol, one folder each, all
//! listed in [`protocols`]. TCP protocols read only the first bytes of each direction, which `flow` keeps.

mod banner;
mod cursor;
mod der;
mod dissector;
mod duplicate;
mod flow;
mod fragments;
mod head;
mod json;
mod link;
mod markup;
mod observation;
mod openings;
mod packet;
mod readings;
mod registry;
#[cfg(test)]
mod testing;
mod tunnel;
mod value;
mod wifi;

mod ads;
mod arp;
mod bacnet;
mod bjnp;
mod browser;
mod capwap;
mod cdp;
mod coap;
mod dahua;
mod dhcp;
mod dhcp6;
mod dicom;
mod dnp3;
mod dns;
mod dropbox;
mod eapol;
mod edimax;
mod edp;
mod enip;
mod eq3;
mod fdp;
mod fins;
mod fox;
mod ftp;
mod h323;
mod hartip;
mod hiflying;
mod hl7;
mod hsrp;
mod http;
mod iec104;
mod igmp;
mod ipp;
mod knx;
mod lifx;
mod lldp;
mod llmnr;
mod mdns;
mod mgcp;
mod miio;
mod mms;
mod mndp;
mod modbus;
mod mqtt;
mod nbns;
mod nd;
mod ntp;
mod opcua;
mod ospf;
mod pjl;
mod poct1;
mod pppp;
mod profinet;
mod quic;
mod radius;
mod rtsp;
mod s7;
mod sadp;
mod sccp;
mod sip;
mod slp;
mod smarter;
mod smtp;
mod snmp;
mod ssdp;
mod ssh;
mod stp;
mod tcp;
mod telnet;
mod tftp;
mod tivo;
mod tls;
mod tplink;
mod tuya;
mod ubiquiti;
mod upnp;
mod vrrp;
mod wiz;
mod wsd;

pub use dissector::{Counters, Dissector, Limits, Opening, ProtocolCounters, Summary};
pub use fragments::FragmentCounters;
pub use observation::{Field, Observation, MAX_VALUE_BYTES};
pub use registry::{protocols, Carrier, Protocol};
pub use tunnel::{Tunnel, TunnelKind};

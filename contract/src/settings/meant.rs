//! Settings as meant: typed, with no options left open but those that are truly optional.

use std::fmt;
use std::net::IpAddr;

use super::{Azure, Report};
use crate::{ActivationToken, MacAddr};

/// Settings as meant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Token to activate with, if one was given.
    pub token: Option<ActivationToken>,
    /// Host name to take, if one was given.
    pub hostname: Option<String>,
    /// Which NIC is the management one.
    pub management_interface: Selection,
    /// How it is addressed.
    pub addressing: Addressing,
    /// Whether SSH is let in on it.
    pub ssh: bool,
    /// Whether an appliance serves its local page.
    pub page: bool,
    /// Which NICs are monitored.
    pub capture_interfaces: Selection,
    /// Where mirrored traffic arrives in tunnels.
    pub tunnel: Option<Tunnel>,
    /// Where the firewall lets connections out to besides the portal, the proxy and the name and time servers: names,
    /// addresses, networks, `tag:` and an Azure service tag. Empty: anywhere.
    pub destinations: Vec<String>,
    /// Whom the sensor reports to.
    pub reports: Vec<Report>,
    /// The owner's Azure.
    pub azure: Option<Azure>,
    /// How the portal is reached.
    pub proxy: Option<Proxy>,
    /// NTP servers; empty means DHCP's or the image's.
    pub time_servers: Vec<String>,
    /// PEM certificates to trust besides the portal's CA.
    pub extra_ca_pem: Option<String>,
}

/// An adapter that mirrored traffic is sent to in GRE, ERSPAN or VXLAN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tunnel {
    /// Which adapter.
    pub interface: Vec<Selector>,
    /// Its address: where the tunnels end.
    pub address: IpAddr,
    /// Prefix length in bits.
    pub prefix: u8,
}

/// How the management interface gets its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Addressing {
    /// By DHCP.
    Dhcp,
    /// As given.
    Static {
        /// Address.
        address: IpAddr,
        /// Prefix length in bits.
        prefix: u8,
        /// Default gateway.
        gateway: Option<IpAddr>,
        /// DNS servers.
        dns: Vec<IpAddr>,
    },
}

/// An HTTP proxy that does CONNECT.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    /// `http://host:port` or `https://host:port`.
    pub url: String,
    /// Basic credentials: user name and password.
    pub credentials: Option<(String, String)>,
    /// Client certificate (chain) and its key, PEM, for an `https://` proxy that asks for one.
    pub identity: Option<(String, String)>,
    /// Names and addresses reached directly.
    pub exceptions: Vec<String>,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("url", &self.url)
            .field("username", &self.credentials.as_ref().map(|c| &c.0))
            .field("exceptions", &self.exceptions)
            .finish_non_exhaustive()
    }
}

/// Which network interfaces are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// The agent decides.
    Auto,
    /// These.
    These(Vec<Selector>),
}

/// One way to point at a NIC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// By its address.
    Mac(MacAddr),
    /// By its PCI address, `0000:0b:00.0` or the end of it.
    Pci(String),
    /// By the network it was connected to when the OVA was deployed, as the OVF environment names it: `SPAN Network`.
    Network(String),
    /// By its driver, `vmxnet3`.
    Driver(String),
    /// By its kernel name. Names change between boots and hypervisors: the last resort.
    Name(String),
}

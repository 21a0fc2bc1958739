//! The one list of settings: key, words for people, what a value may be, default.

/// What a value may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text up to so many characters.
    Text(usize),
    /// A secret up to so many characters: masked wherever settings are shown.
    Secret(usize),
    /// One of these.
    Choice(&'static [&'static str]),
    /// `192.0.2.10/24` or `2001:db8::10/64`.
    AddressWithPrefix,
    /// An IP address.
    Address,
    /// IP addresses, joined by commas.
    Addresses,
    /// Names or addresses, joined by commas.
    Names,
    /// `http://host:port` or `https://host:port`.
    ProxyUrl,
    /// `auto`, or selectors joined by commas: `mac:…`, `pci:…`, `network:…`, `driver:…`, `name:…`.
    Interfaces,
    /// PEM certificates.
    Pem,
    /// A PEM private key: a secret of several lines.
    PemKey,
}

/// One setting, as every carrier and every document describes it.
#[derive(Clone, Copy, Debug)]
pub struct Definition {
    /// Dotted key, `section.name`.
    pub key: &'static str,
    /// Section heading for wizards.
    pub category: &'static str,
    /// Short label.
    pub label: &'static str,
    /// One or two sentences.
    pub description: &'static str,
    /// What a value may be.
    pub kind: Kind,
    /// What holds when nobody says anything; empty means "not set".
    pub default: &'static str,
}

impl Definition {
    /// The key as an OVF property or a KVP key, where dots are not allowed (DSP0243 §9.5.1).
    pub fn property_key(&self) -> String {
        self.key.replace('.', "_")
    }

    /// Whether the value must never be shown.
    pub fn is_secret(&self) -> bool {
        matches!(self.kind, Kind::Secret(_) | Kind::PemKey)
    }
}

const fn define(
    key: &'static str,
    category: &'static str,
    label: &'static str,
    kind: Kind,
    default: &'static str,
    description: &'static str,
) -> Definition {
    Definition { key, category, label, description, kind, default }
}

/// Every setting there is.
pub static DEFINITIONS: &[Definition] = &[
    define("activation.token", "Activation", "Activation token", Kind::Secret(crate::MAX_TOKEN_CHARS), "",
        "The token that the portal showed when the sensor was registered. It works once."),
    define("host.name", "Management", "Host name", Kind::Text(63), "",
        "Host name of the appliance. Left empty, the image's own name stays."),
    define("management.interface", "Management", "Management interface", Kind::Interfaces, "auto",
        "Which adapter reaches the portal: auto, or mac:, pci:, network:, driver: or name: and a value. Auto takes the adapter with an address, else the one that hears no traffic of others, else the first in PCI order."),
    define("management.mode", "Management", "Address mode", Kind::Choice(&["dhcp", "static"]), "dhcp",
        "How the management interface gets its address."),
    define("management.address", "Management", "Address with prefix", Kind::AddressWithPrefix, "",
        "Static address and prefix length, for example 192.0.2.10/24."),
    define("management.gateway", "Management", "Gateway", Kind::Address, "",
        "Default gateway for a static address."),
    define("management.dns", "Management", "DNS servers", Kind::Addresses, "",
        "DNS servers for a static address, joined by commas."),
    define(
        "management.ssh",
        "Management",
        "SSH to the appliance",
        Kind::Choice(&["off", "on"]),
        "off",
        "Whether the firewall lets SSH (22/tcp) in on the management interface.",
    ),
    define("management.page", "Management", "Page in a browser", Kind::Choice(&["on", "off"]), "on",
        "Whether an appliance serves its set-up and status page on port 443 of the management interface. off leaves the port to others."),
    define("capture.interfaces", "Capture", "Monitoring interfaces", Kind::Interfaces, "auto",
        "Which adapters receive mirrored traffic: auto, or selectors joined by commas. Auto takes every adapter without an address but the management one."),
    define("capture.tunnel", "Capture", "Tunnel interface", Kind::Interfaces, "",
        "Adapter with an address of its own that receives mirrored traffic in GRE, ERSPAN or VXLAN: mac:, pci:, network:, driver: or name: and a value. Empty: none."),
    define("capture.tunnel_address", "Capture", "Tunnel address with prefix", Kind::AddressWithPrefix, "",
        "Address of the tunnel interface, for example 198.51.100.10/24: what switches are given as the destination of the mirror."),
    define("firewall.destinations", "Firewall", "Allowed destinations", Kind::Names, "",
        "Where the appliance may connect to besides the portal, the proxy and the name and time servers: names, addresses, networks, or Azure service tags such as tag:AzureIoTHub.WestEurope, joined by commas. Empty: anywhere on the allowed ports."),
    define("proxy.url", "Proxy", "Proxy address", Kind::ProxyUrl, "",
        "HTTP proxy that reaches the portal by CONNECT, for example http://proxy.example:3128. Empty: no proxy."),
    define("proxy.username", "Proxy", "Proxy user name", Kind::Text(255), "",
        "User name, if the proxy asks for one (Basic)."),
    define("proxy.password", "Proxy", "Proxy password", Kind::Secret(255), "",
        "Password that goes with the user name."),
    define("proxy.certificate", "Proxy", "Client certificate for the proxy", Kind::Pem, "",
        "PEM certificate (with its chain) that an https:// proxy asks its clients for. Needs proxy.key."),
    define("proxy.key", "Proxy", "Key of the client certificate", Kind::PemKey, "",
        "PEM private key that belongs to proxy.certificate."),
    define("proxy.exceptions", "Proxy", "No proxy for", Kind::Names, "",
        "Names and addresses reached without the proxy, joined by commas."),
    define("report.destinations", "Reports", "Whom to report to", Kind::Names, "",
        "portal, azure and file, joined by commas; file writes signed bundles to carry to the portal by hand. Empty: the portal, and Azure where it is set."),
    define("azure.id_scope", "Azure", "ID scope", Kind::Text(64), "",
        "ID scope of your device provisioning service, for example 0ne00ABC123. Goes with the registration ID and the key."),
    define("azure.registration_id", "Azure", "Registration ID", Kind::Text(128), "",
        "What this sensor is registered as; it becomes the device ID in the IoT Hub."),
    define("azure.key", "Azure", "Symmetric key", Kind::Secret(128), "",
        "Symmetric key of the enrolment, base64, as the Azure portal shows it."),
    define("azure.enrolment", "Azure", "Whose key it is", Kind::Choice(&["individual", "group"]), "individual",
        "individual: the key is this registration's own. group: it is the enrolment group's, and the device's is derived from it."),
    define("azure.provisioning_host", "Azure", "Provisioning service", Kind::Text(255), "global.azure-devices-provisioning.net",
        "Host name of the device provisioning service; another one for sovereign clouds only."),
    define("azure.snapshot_hours", "Azure", "Inventory as files, every", Kind::Choice(&["0", "1", "6", "12", "24", "168"]), "0",
        "How often, in hours, the whole inventory is stored as a file in the IoT Hub's storage container. 0: never."),
    define("azure.twin", "Azure", "Follow the device twin", Kind::Choice(&["off", "on"]), "off",
        "Whether wishes in the IoT Hub's device twin become settings of the sensor, and how it is is written back there."),
    define("azure.event_hub", "Azure", "Event hub", Kind::Text(320), "",
        "Event hub to send to directly, as namespace.servicebus.windows.net/hub. Besides IoT Hub or instead."),
    define("azure.event_hub_policy", "Azure", "Event hub policy", Kind::Text(256), "send",
        "Name of the shared access policy whose key it is; it needs the right to send."),
    define("azure.event_hub_key", "Azure", "Event hub key", Kind::Secret(1024), "",
        "Key of the policy, or a whole connection string (Endpoint=sb://...), which then says the rest."),
    define("time.servers", "Time", "NTP servers", Kind::Names, "",
        "NTP servers, joined by commas. Empty: those that DHCP offers, else the image's own."),
    define("portal.ca", "Activation", "Additional CA certificates", Kind::Pem, "",
        "PEM certificates to trust besides the portal's own CA: for an https:// proxy, or a portal with a certificate of the organisation's own."),
];

/// The definition of a key.
pub fn definition(key: &str) -> Option<&'static Definition> {
    DEFINITIONS.iter().find(|d| d.key == key)
}

//! What a dissector says: one reading, made by one device, at one place in one protocol.
//!
//! Values are text as it stood on the wire (lossily UTF-8, control characters and outer blanks removed, line ends turned
//! into one blank, bounded), never an interpretation: that is `identify`'s work.

use std::borrow::Cow;
use std::net::IpAddr;

use eyot_contract::MacAddr;

/// Longest value kept, in bytes; the rest of a longer one is cut at a character boundary.
pub const MAX_VALUE_BYTES: usize = 512;

/// One reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation<'a> {
    /// The device that the reading is about: usually the frame's sender, for DHCP the client, for an answer about
    /// somebody else the one spoken of.
    pub mac: MacAddr,
    /// The address it used or was given, where there is one. May be a remote address behind a router's MAC; the
    /// inventory tells those apart.
    pub ip: Option<IpAddr>,
    /// VLAN, innermost tag of the outer frame.
    pub vlan: Option<u16>,
    /// Where it was read.
    pub field: Field,
    /// What was read.
    pub value: Cow<'a, str>,
}

macro_rules! fields {
    ($($variant:ident = $name:literal, $doc:literal;)+) => {
        /// Every place on the wire that a reading can come from. The name is stable: rules, evidence, counters and
        /// documentation use it. The part before the dot is the protocol.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u16)]
        pub enum Field { $(#[doc = $doc] $variant),+ }

        impl Field {
            /// Every field.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// `protocol.field`.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// One line on what stands there.
            pub fn description(self) -> &'static str {
                match self { $(Self::$variant => $doc),+ }
            }

            /// The protocol's registry name.
            pub fn protocol(self) -> &'static str {
                let name = self.name();
                name.split_once('.').map_or(name, |(protocol, _)| protocol)
            }

            /// The field of that name.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|f| f.name() == name)
            }
        }
    };
}

fields! {
    ArpAddress = "arp.address", "IPv4 address the sender claims (sender protocol address of a request, reply or announcement)";
    NdAddress = "nd.address", "IPv6 address the sender claims (neighbour solicitation source or advertisement target)";
    NdRouter = "nd.router", "the sender is an IPv6 router (router advertisement, or router flag of a neighbour advertisement); value: lifetime in seconds or `flag`";
    DhcpHostname = "dhcp.hostname", "option 12, host name";
    DhcpVendorClass = "dhcp.vendor_class", "option 60, vendor class identifier";
    DhcpParameterList = "dhcp.parameter_list", "option 55, requested options in order, decimal, joined by commas";
    DhcpOptions = "dhcp.options", "the options of a client message in order, decimal, joined by commas";
    DhcpClientId = "dhcp.client_id", "option 61, client identifier, hexadecimal";
    DhcpUserClass = "dhcp.user_class", "option 77, user class";
    DhcpFqdn = "dhcp.fqdn", "option 81, client fully qualified domain name";
    DhcpAddress = "dhcp.address", "IPv4 address given to the client (yiaddr of an acknowledgement) or kept by it (ciaddr)";
    DhcpServer = "dhcp.server", "the sender answers as a DHCP server; value: its server identifier";
    DhcpRouter = "dhcp.router", "option 3 of an answer: the network's router, IPv4";
    DhcpVendorInfo = "dhcp.vendor_info", "option 125, enterprise number and text";
    DnsQuery = "dns.query", "name asked for";
    DnsAnswer = "dns.answer", "name and address of an answer, `name=address`; said by the server about others";
    MdnsHostname = "mdns.hostname", "name of an A, AAAA or SRV record the sender owns, without `.local`";
    MdnsService = "mdns.service", "DNS-SD service type the sender offers, `_ipp._tcp`";
    MdnsInstance = "mdns.instance", "DNS-SD instance the sender offers, `name._ipp._tcp`";
    MdnsTxt = "mdns.txt", "one TXT string of an offered service, `_ipp._tcp ty=Model`";
    MdnsQuery = "mdns.query", "DNS-SD name or type the sender asks for";
    SsdpServer = "ssdp.server", "SERVER header of NOTIFY or of an answer";
    SsdpType = "ssdp.type", "NT or ST the sender announces";
    SsdpUsn = "ssdp.usn", "USN header";
    SsdpLocation = "ssdp.location", "LOCATION header";
    SsdpUserAgent = "ssdp.user_agent", "USER-AGENT of the sender's M-SEARCH";
    SsdpHeader = "ssdp.header", "any other header that names a product, `name: value`";
    UpnpDevice = "upnp.device", "an element of a device description served by the device, `modelName=…`";
    LldpChassis = "lldp.chassis", "chassis id";
    LldpPort = "lldp.port", "port id or description";
    LldpName = "lldp.name", "system name";
    LldpDescription = "lldp.description", "system description";
    LldpCapabilities = "lldp.capabilities", "enabled capabilities, comma-joined names (repeater, bridge, wlan_ap, router, telephone, docsis, station)";
    LldpAddress = "lldp.address", "management address";
    LldpMedHardware = "lldp.med_hardware", "LLDP-MED hardware revision";
    LldpMedFirmware = "lldp.med_firmware", "LLDP-MED firmware revision";
    LldpMedSoftware = "lldp.med_software", "LLDP-MED software revision";
    LldpMedSerial = "lldp.med_serial", "LLDP-MED serial number";
    LldpMedManufacturer = "lldp.med_manufacturer", "LLDP-MED manufacturer";
    LldpMedModel = "lldp.med_model", "LLDP-MED model";
    LldpMedAsset = "lldp.med_asset", "LLDP-MED asset id";
    LldpMedClass = "lldp.med_class", "LLDP-MED device class: 1 generic, 2 media, 3 telephone, 4 network";
    CdpDevice = "cdp.device", "device id";
    CdpPort = "cdp.port", "port id";
    CdpPlatform = "cdp.platform", "platform";
    CdpVersion = "cdp.version", "software version text";
    CdpCapabilities = "cdp.capabilities", "capabilities, comma-joined names (router, bridge, switch, host, igmp, repeater, phone, remote)";
    CdpAddress = "cdp.address", "address";
    HttpUserAgent = "http.user_agent", "User-Agent of a request the device sent";
    HttpHost = "http.host", "Host of a request the device sent";
    HttpPath = "http.path", "method and path of a request the device sent";
    HttpServer = "http.server", "Server header of an answer the device sent";
    HttpRealm = "http.realm", "realm of an authentication challenge the device sent";
    HttpTitle = "http.title", "title of a page the device served";
    HttpServed = "http.served", "path that was asked of the device";
    TlsSni = "tls.sni", "server name in a ClientHello the device sent";
    TlsJa3 = "tls.ja3", "JA3 of a ClientHello the device sent";
    TlsJa4 = "tls.ja4", "JA4 of a ClientHello the device sent";
    TlsAlpn = "tls.alpn", "ALPN offers, comma-joined";
    TlsCertificate = "tls.certificate", "subject of a certificate the device presented (up to TLS 1.2), `CN=…, O=…`";
    SipUserAgent = "sip.user_agent", "User-Agent of a SIP request the device sent";
    SipServer = "sip.server", "Server of a SIP answer the device sent";
    SipContact = "sip.contact", "Contact, with instance id, of a registration";
    SipMethod = "sip.method", "methods the device sends (REGISTER, INVITE…), or `status` for answers";
    NdPrefix = "nd.prefix", "on-link prefix the router announces, `2001:db8::/64`";
    DhcpRequested = "dhcp.requested", "IPv4 address a client without one asks for in a request (option 50)";
    MdnsHostInfo = "mdns.host_info", "HINFO record the sender owns: processor and system, blank between";
    SsdpSearch = "ssdp.search", "ST that the sender's M-SEARCH looks for";
    HttpPoweredBy = "http.powered_by", "X-Powered-By header of an answer the device sent";
    HttpCookie = "http.cookie", "name, without the value, of a cookie the device set";
    Dhcp6Duid = "dhcp6.duid", "client's unique identifier, hexadecimal";
    Dhcp6VendorClass = "dhcp6.vendor_class", "vendor class, enterprise number and text";
    Dhcp6UserClass = "dhcp6.user_class", "user class";
    Dhcp6Fqdn = "dhcp6.fqdn", "client's fully qualified domain name";
    Dhcp6Requests = "dhcp6.requests", "requested options in order, decimal, joined by commas";
    Dhcp6Address = "dhcp6.address", "IPv6 address given to the client";
    Dhcp6Server = "dhcp6.server", "the sender answers as a DHCPv6 server; value: its unique identifier, hexadecimal";
    NbnsName = "nbns.name", "NetBIOS name the sender registers or owns, `NAME<20>`, with ` group` behind a group's";
    BrowserHost = "browser.host", "host name of a browser announcement, or NetBIOS name of another datagram's sender";
    BrowserVersion = "browser.version", "operating system version of a browser announcement, `6.1`";
    BrowserRoles = "browser.roles", "roles of a browser announcement, comma-joined names";
    BrowserComment = "browser.comment", "comment of a browser announcement";
    LlmnrName = "llmnr.name", "name the sender owns";
    LlmnrQuery = "llmnr.query", "name the sender asks for";
    WsdType = "wsd.type", "one type of a WS-Discovery announcement, without its prefix";
    WsdScope = "wsd.scope", "one scope of a WS-Discovery announcement, `onvif://www.onvif.org/hardware/…`";
    WsdAddress = "wsd.address", "one transport address of a WS-Discovery announcement";
    WsdEndpoint = "wsd.endpoint", "endpoint reference of a WS-Discovery announcement, `urn:uuid:…`";
    WsdSearch = "wsd.search", "type that the sender's probe looks for, without its prefix";
    WsdDevice = "wsd.device", "an element of the description the device gave over HTTP, `Model=…`";
    SnmpVersion = "snmp.version", "version of the protocol the sender speaks: 1, 2c or 3";
    SnmpDescription = "snmp.description", "sysDescr the sender gave";
    SnmpObjectId = "snmp.object_id", "sysObjectID the sender gave";
    SnmpName = "snmp.name", "sysName the sender gave";
    SnmpLocation = "snmp.location", "sysLocation the sender gave";
    SnmpObject = "snmp.object", "another object that names a product, `object.id=text`";
    SnmpTrap = "snmp.trap", "enterprise of a trap the sender sent, object identifier";
    SnmpEngine = "snmp.engine", "authoritative engine id the sender gave, hexadecimal";
    StpBridge = "stp.bridge", "bridge identifier of the sender, `priority/mac`";
    StpRoot = "stp.root", "root bridge the sender follows, `priority/mac`";
    StpVersion = "stp.version", "spanning tree version: 0 STP, 2 RSTP, 3 MSTP";
    NtpServer = "ntp.server", "the sender answers as a time server; value: version and stratum, `4 2`";
    NtpClient = "ntp.client", "the sender asks for the time; value: version";
    SccpDevice = "sccp.device", "device name of a registration, `SEP001122334455`";
    SccpType = "sccp.type", "device type code of a registration, decimal";
    RtspServer = "rtsp.server", "Server of an answer the device sent";
    RtspUserAgent = "rtsp.user_agent", "User-Agent of a request the device sent";
    RtspRealm = "rtsp.realm", "realm of an authentication challenge the device sent";
    RtspServed = "rtsp.served", "path that was asked of the device, without its query";
    RtspSession = "rtsp.session", "session name, information or tool of a description the device sent, `s=…`";
    SshBanner = "ssh.banner", "identification line, of a server or of a client";
    FtpBanner = "ftp.banner", "greeting of an FTP server";
    SmtpBanner = "smtp.banner", "greeting of an SMTP server";
    TelnetBanner = "telnet.banner", "first text of a Telnet server";
    MqttClient = "mqtt.client", "client identifier of a connection the device opened";
    MqttUser = "mqtt.user", "user name of a connection the device opened";
    TplinkInfo = "tplink.info", "a member of the system information the device gave, `model=HS100(EU)`";
    MndpIdentity = "mndp.identity", "identity";
    MndpVersion = "mndp.version", "software version";
    MndpPlatform = "mndp.platform", "platform";
    MndpBoard = "mndp.board", "board";
    UbiquitiModel = "ubiquiti.model", "model, full name or short name";
    UbiquitiFirmware = "ubiquiti.firmware", "firmware version";
    UbiquitiHostname = "ubiquiti.hostname", "host name";
    BacnetDevice = "bacnet.device", "device instance of an I-Am, decimal";
    BacnetVendor = "bacnet.vendor", "vendor identifier of an I-Am, decimal (ASHRAE's list)";
    BacnetProperty = "bacnet.property", "a property of the device object the sender gave, `model-name=…`";
    ModbusObject = "modbus.object", "device identification object the sender gave, `ProductCode=…`";
    ModbusRole = "modbus.role", "`server` for a device that answers, `client` for one that asks";
    EnipVendor = "enip.vendor", "vendor identifier of an identity, decimal (ODVA's list)";
    EnipType = "enip.type", "device type of an identity, decimal (ODVA's list)";
    EnipProduct = "enip.product", "product name of an identity";
    EnipCode = "enip.code", "product code of an identity, decimal";
    EnipRevision = "enip.revision", "revision of an identity, `20.11`";
    EnipSerial = "enip.serial", "serial number of an identity, hexadecimal";
    S7Module = "s7.module", "module identification the sender gave, `list.index=text` with list 0011 or 001c in hexadecimal";
    ProfinetStation = "profinet.station", "name of station";
    ProfinetVendor = "profinet.vendor", "device vendor value (type of station)";
    ProfinetDevice = "profinet.device", "vendor and device identifier, hexadecimal, `002a 0a01`";
    ProfinetRole = "profinet.role", "roles, comma-joined names (io_device, io_controller, io_multidevice, io_supervisor)";
    TlsAltName = "tls.alt_name", "an alternative name, host or address, of a certificate the device presented (up to TLS 1.2)";
    QuicSni = "quic.sni", "server name in a ClientHello the device sent over QUIC";
    QuicJa4 = "quic.ja4", "JA4 of a ClientHello the device sent over QUIC";
    QuicAlpn = "quic.alpn", "ALPN offers over QUIC, comma-joined";
    DicomTitle = "dicom.title", "application entity title the sender calls or accepts under";
    DicomImplementation = "dicom.implementation", "implementation class of the sender, object identifier";
    DicomVersion = "dicom.version", "implementation version name of the sender";
    Hl7Application = "hl7.application", "sending application of a message (MSH-3)";
    Hl7Facility = "hl7.facility", "sending facility of a message (MSH-4)";
    Hl7Version = "hl7.version", "version of HL7 a message is in (MSH-12)";
    DhcpDns = "dhcp.dns_server", "option 6 of an answer: a name server the network is to use, IPv4";
    FtpLogin = "ftp.login", "somebody logs in to the device in clear: `anonymous` or `named`, never the name";
    HttpBasic = "http.basic", "a password was sent to the device by Basic authentication: `factory` for a pair that makers ship, else `own`, never the pair";
    SnmpCommunity = "snmp.community", "`default` when the device answered the community public or private; no other is told";
    TlsVersion = "tls.version", "version the device settled on as a server, `TLS 1.2`";
    TlsExpires = "tls.expires", "end of validity of a certificate the device presented (up to TLS 1.2), `2031-05-01T12:00:00Z`";
    SipRegistrar = "sip.registrar", "the sender answers registrations; value: status code of the answer (200, 401, 407 or 423)";
    EdimaxModel = "edimax.model", "model an answer to a search gives";
    EdimaxFirmware = "edimax.firmware", "firmware version an answer to a search gives";
    EdimaxName = "edimax.name", "name an answer to a search gives";
    Eq3Product = "eq3.product", "product word of an answer to a search, `eQ3MaxAp`";
    Eq3Serial = "eq3.serial", "serial number of an answer to a search";
    HiflyingModule = "hiflying.module", "module name of an answer to a search";
    AdsDevice = "ads.device", "device name of an answer to read-device-info";
    AdsHost = "ads.host", "host name of an answer to a search";
    AdsVersion = "ads.version", "TwinCAT version, `3.1.4024`";
    LifxProduct = "lifx.product", "vendor and product number of a lamp, `1.27`";
    LifxFirmware = "lifx.firmware", "firmware version of a lamp";
    LifxLabel = "lifx.label", "name of a lamp";
    LifxState = "lifx.state", "number of another message that only lamps send";
    WizEvent = "wiz.event", "method of a message that a lamp or plug sent";
    WizModule = "wiz.module", "module name";
    WizFirmware = "wiz.firmware", "firmware version";
    MiioDevice = "miio.device", "identifier of the device that sent a message, decimal";
    TuyaAnnouncement = "tuya.announcement", "the sender announces itself: `plain` or `encrypted`";
    TuyaInfo = "tuya.info", "a member of an announcement, `version=3.1`";
    SadpDevice = "sadp.device", "an element of an answer to a search, `DeviceDescription=DS-2CD2032-I`";
    DahuaDevice = "dahua.device", "a member of an answer to a search, `DeviceType=IPC-HDW4431C-A`";
    IgmpGroup = "igmp.group", "IPv4 group the sender joins";
    IgmpQuerier = "igmp.querier", "the sender asks for members; value: `query`";
    VrrpGroup = "vrrp.group", "version, virtual router and priority of an advertisement, `2 42 100`";
    HsrpGroup = "hsrp.group", "version, group, state and priority of a hello, `1 10 16 110`";
    OspfRouter = "ospf.router", "identifier of the router that sent a message";
    EapolRole = "eapol.role", "side the sender is on: authenticator, supplicant, access_point or station";
    EapolIdentity = "eapol.identity", "identity a machine gives, `host/pc17.example.org`; never a person";
    FdpDevice = "fdp.device", "device id";
    FdpVersion = "fdp.version", "software version";
    FdpPlatform = "fdp.platform", "platform";
    EdpName = "edp.name", "name of the switch";
    EdpVersion = "edp.version", "software version, `15.3.2.11`";
    CapwapRole = "capwap.role", "`access_point` for one that looks for a controller, `controller` for one that answers";
    CapwapModel = "capwap.model", "model number of the board";
    CapwapSerial = "capwap.serial", "serial number of the board";
    CapwapName = "capwap.name", "name of the access point or controller";
    CapwapSoftware = "capwap.software", "software version";
    CapwapVendor = "capwap.vendor", "maker of the board, private enterprise number";
    RadiusRole = "radius.role", "`client` for network gear that asks, `server` for one that answers";
    RadiusNas = "radius.nas", "name the network access server gives (NAS-Identifier)";
    RadiusPortType = "radius.port_type", "kind of port somebody comes in by: 15 Ethernet, 19 Wi-Fi, decimal";
    RadiusVendor = "radius.vendor", "whose own attributes a request has, private enterprise number";
    SlpService = "slp.service", "address of a service the sender offers, `service:printer:lpr://…`";
    SlpAttribute = "slp.attribute", "attribute of a service the sender offers, `name=value`";
    BjnpKind = "bjnp.kind", "kind of device that answers: printer, scanner or other";
    BjnpIdentifier = "bjnp.identifier", "device identifier, `MFG:Canon;MDL:MX860 series;`";
    MgcpRole = "mgcp.role", "`gateway` for one that reports or is commanded, `agent` for one that commands";
    MgcpEndpoint = "mgcp.endpoint", "endpoint a gateway reports, `aaln/1@gw4.example.net`";
    CoapResource = "coap.resource", "link the sender offers, `</light>;rt=dimmer`";
    CoapServed = "coap.served", "path that was asked of the device";
    KnxName = "knx.name", "friendly name of a description";
    KnxSerial = "knx.serial", "serial number of a description, hexadecimal";
    KnxMedium = "knx.medium", "medium of a description: 2 twisted pair, 4 powerline, 16 radio, 32 IP";
    KnxRole = "knx.role", "the sender passes on telegrams; value: `router`";
    TftpFile = "tftp.file", "file the sender asks for";
    TivoItem = "tivo.item", "a line of a beacon, `platform=tcd/Series3`";
    DropboxClient = "dropbox.client", "version of the announcement";
    PjlIdentity = "pjl.identity", "identification a printer gives";
    PjlServed = "pjl.served", "a job was sent to the device; value: `job`";
    Dnp3Role = "dnp3.role", "`outstation` or `master`";
    Dnp3Attribute = "dnp3.attribute", "device attribute the outstation gave, variation and text, `252=…`";
    Iec104Role = "iec104.role", "`controlled` for a station that answers, `controlling` for one that connects";
    MmsRole = "mms.role", "the sender answers; value: `server`";
    MmsVendor = "mms.vendor", "vendor of an identification";
    MmsModel = "mms.model", "model of an identification";
    MmsRevision = "mms.revision", "revision of an identification";
    OpcuaRole = "opcua.role", "`server` or `client`";
    OpcuaApplicationUri = "opcua.application_uri", "application URI of a server";
    OpcuaProductUri = "opcua.product_uri", "product URI of a server";
    OpcuaApplicationName = "opcua.application_name", "application name of a server";
    Poct1Device = "poct1.device", "an element of a greeting, `model_id=…`";
    FoxRole = "fox.role", "`station` for one that answers, `client` for one that connects";
    FoxItem = "fox.item", "a line of a station's greeting, `app.version=s:3.8.38`";
    FinsRole = "fins.role", "`controller` for one that answers, `client` for one that asks";
    FinsModel = "fins.model", "controller model";
    FinsVersion = "fins.version", "controller version";
    HartipRole = "hartip.role", "`server` for one that answers, `client` for one that asks";
    HartipType = "hartip.type", "expanded device type of an answer, hexadecimal";
    H323Product = "h323.product", "product of a vendor identifier";
    H323Version = "h323.version", "version of a vendor identifier";
    IppAttribute = "ipp.attribute", "an attribute the printer gave, `printer-make-and-model=…`";
    EnipRole = "enip.role", "the sender answers over a connection; value: `server`";
    S7Role = "s7.role", "the sender answers; value: `server`";
    SccpRole = "sccp.role", "the sender talks to a call manager; value: `client`";
    PpppDevice = "pppp.device", "prefix of the identifier of a device that logs in or makes itself known, `TNPUSAE`";
    TcpSyn = "tcp.syn", "how the sender asks for connections: hop limit it starts from, window, options in order, `64:mss*44:mss,sok,ts,nop,ws7`";
    TcpSynAck = "tcp.syn_ack", "the same of a sender that agrees to connections, which depends on who asked";
    SmarterDevice = "smarter.device", "kind and firmware of an answer to a search, `kettle 19`";
    SmarterState = "smarter.state", "kind of machine that tells its state: kettle or coffee_machine";
}

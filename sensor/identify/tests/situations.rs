//! Whole devices, as their facts come from the inventory: what they are taken for, and what must not be concluded.
//!
//! Each situation is one that fooled somebody: a module maker's address, a randomised one, a telephone full of other
//! makers' apps, a router that passes on everybody's names, a plug that is a DHCP server while it is set up.

use eyot_contract::{Attribute, DeviceClass, DeviceType, MacAddr, Nature, Timestamp};
use eyot_dissect::Field;
use eyot_identify::{identify, vendor_of, Fact, Identity};

fn facts(readings: &[(&str, &str)]) -> Vec<Fact> {
    let fact = |(at, (name, value)): (usize, &(&str, &str))| Fact {
        field: Field::from_name(name).unwrap_or_else(|| panic!("no field {name}")),
        value: (*value).to_owned(),
        first_seen: Timestamp(at as i64),
        last_seen: Timestamp(at as i64),
        count: 1,
    };
    readings.iter().enumerate().map(fact).collect()
}

fn identity(mac: &str, readings: &[(&str, &str)]) -> Identity {
    let mac: MacAddr = mac.parse().unwrap_or_else(|_| panic!("{mac}"));
    let mut facts = facts(readings);
    let there = identify(mac, &facts);
    facts.reverse();
    let back = identify(mac, &facts);
    assert_eq!(
        (&there.vendor, &there.model, there.device_type),
        (&back.vendor, &back.model, back.device_type)
    );
    there
}

fn told(identity: &Identity) -> (Option<&str>, Option<DeviceType>, Option<&str>) {
    (identity.vendor.as_deref(), identity.device_type, identity.model.as_deref())
}

#[test]
fn a_camera_that_says_its_name_in_three_protocols() {
    let camera = identity(
        "b0:c5:54:00:00:01",
        &[
            ("dhcp.hostname", "DCS-935L"),
            ("dhcp.vendor_class", "udhcp 1.22.1"),
            ("ssdp.server", "Linux,    UPnP/1.0 DCS-935L/1.0"),
            ("mdns.instance", "D-Link DCS-935L Configuration Utility (2)._http._tcp"),
            ("mdns.txt", "_dhnap._tcp version=0106"),
            ("dns.query", "signal.mydlink.com"),
        ],
    );
    assert_eq!(told(&camera), (Some("D-Link"), Some(DeviceType::Camera), Some("DCS-935L")));
    assert_eq!(camera.class, Some(DeviceClass::Enterprise));
    assert_eq!(camera.hostname.as_deref(), Some("DCS-935L"));
    assert_eq!(camera.firmware.as_deref(), Some("1.06"));
    assert!(camera.confidence > 0.9, "{}", camera.confidence);
    assert!(camera.evidence.windows(2).all(|pair| pair[0].confidence >= pair[1].confidence));
    let name =
        camera.evidence.iter().find(|e| e.rule == "name.dlink-model" && e.attribute == Attribute::Model);
    assert!(name.is_some_and(|e| e.nature == Nature::Declared
        && e.seen == "DCS-935L"
        && e.source == "dhcp.hostname"));
}

#[test]
fn an_address_alone_gives_a_vendor_and_nothing_else() {
    assert_eq!(told(&identity("b0:c5:54:00:00:01", &[])), (Some("D-Link"), None, None));
}

#[test]
fn a_maker_of_one_kind_of_thing_gives_its_type() {
    let hub = identity("00:1a:22:00:00:01", &[("arp.address", "10.0.0.2")]);
    assert_eq!(told(&hub), (Some("eQ-3"), Some(DeviceType::SmartHub), None));
    assert!(hub.confidence < 0.6, "an address is not much: {}", hub.confidence);
}

#[test]
fn a_module_maker_is_named_weakly_and_gives_way() {
    let unknown = identity("5c:cf:7f:00:00:01", &[("dhcp.hostname", "ESP_06D902")]);
    assert_eq!(told(&unknown), (Some("Espressif"), None, None));
    assert!(unknown.evidence.iter().any(|e| e.rule == "oui.module-maker" && e.confidence < 0.5));
    let known = identity("5c:cf:7f:00:00:01", &[("dhcp.hostname", "shellyplug-s-12AB34")]);
    assert_eq!(told(&known), (Some("Shelly"), Some(DeviceType::SmartPlug), Some("shellyplug-s")));
}

#[test]
fn a_randomised_address_has_no_vendor_of_its_own() {
    let mac = "da:a1:19:00:00:01";
    assert_eq!(told(&identity(mac, &[])), (None, None, None));
    let phone = identity(
        mac,
        &[("dhcp.hostname", "Annas-iPhone"), ("dhcp.parameter_list", "1,121,3,6,15,108,114,119,252")],
    );
    assert_eq!(told(&phone), (Some("Apple"), Some(DeviceType::MobilePhone), None));
}

#[test]
fn a_virtual_machine_is_one_until_it_says_more() {
    let machine = identity("52:54:00:12:34:56", &[("dhcp.hostname", "build-7")]);
    assert_eq!(machine.device_type, Some(DeviceType::VirtualMachine));
    let windows = identity(
        "00:50:56:00:00:01",
        &[("dhcp.hostname", "WIN-D4AP65AG0BK"), ("dhcp.vendor_class", "MSFT 5.0")],
    );
    assert_eq!(windows.device_type, Some(DeviceType::Server));
    assert_eq!(windows.os.as_deref(), Some("Windows"));
}

#[test]
fn a_shared_router_address_is_a_router() {
    let pair = identity("00:00:5e:00:01:0a", &[("dns.query", "api.xbcs.net"), ("tls.sni", "api.ecobee.com")]);
    assert_eq!(told(&pair), (None, Some(DeviceType::Router), None));
}

#[test]
fn a_router_is_not_what_it_passes_on() {
    let router = identity(
        "c0:25:06:00:00:01",
        &[
            ("dhcp.server", "192.168.178.1"),
            ("nd.router", "1800"),
            ("dns.query", "scalews.withings.net"),
            ("http.user_agent", "Withings UserAgent"),
            ("http.host", "scalews.withings.net"),
            ("http.user_agent", "Dalvik/2.1.0 (Linux; U; Android 9; SM-G960F Build/PPR1.180610.011)"),
        ],
    );
    assert_eq!(told(&router), (Some("AVM"), Some(DeviceType::Router), None));
    assert!(router.evidence.iter().any(|e| e.value == "Withings"), "what lost stays in the evidence");
}

#[test]
fn a_telephone_is_not_the_lamps_it_switches() {
    let phone = identity(
        "f4:f5:24:00:00:01",
        &[
            ("dhcp.vendor_class", "android-dhcp-9"),
            ("dhcp.hostname", "Galaxy-S9"),
            ("dns.query", "bridge.meethue.com"),
            ("dns.query", "api.xbcs.net"),
            ("tls.sni", "devs.tplinkcloud.com"),
            ("tls.sni", "home.ecobee.com"),
        ],
    );
    assert_eq!(phone.device_type, Some(DeviceType::MobilePhone));
    assert_eq!(phone.model.as_deref(), Some("Galaxy-S9"));
    assert_eq!(phone.os.as_deref(), Some("Android 9"));
}

#[test]
fn many_clouds_make_no_maker() {
    let names =
        ["api.xbcs.net", "devs.tplinkcloud.com", "home.ecobee.com", "fw.ring.com", "v2.broker.lifx.co"];
    let readings: Vec<(&str, &str)> = names.iter().map(|name| ("dns.query", *name)).collect();
    let unknown = identity("02:00:00:00:00:01", &readings);
    assert_eq!((unknown.device_type, unknown.model), (None, None));
}

#[test]
fn a_plug_being_set_up_serves_dhcp_and_asks_for_the_owners_telephone() {
    let plug = identity(
        "94:10:3e:00:00:01",
        &[
            ("ssdp.usn", "uuid:Insight-1_0-221542K1200339::urn:Belkin:service:insight:1"),
            ("ssdp.server", "Unspecified, UPnP/1.0, Unspecified"),
            ("dhcp.server", "10.22.22.1"),
            ("dns.query", "nat.xbcs.net"),
            ("dns.query", "android.clients.google.com"),
            ("dns.query", "graph.facebook.com"),
        ],
    );
    assert_eq!(told(&plug), (Some("Belkin"), Some(DeviceType::SmartPlug), Some("WeMo Insight")));
    assert_eq!(plug.serial.as_deref(), Some("221542K1200339"));
}

#[test]
fn two_cameras_of_one_maker_differ_by_what_they_declare() {
    let camera = identity(
        "74:da:38:00:00:01",
        &[
            ("dhcp.vendor_class", "udhcp 1.15.2"),
            ("dns.query", "www.myedimax.com"),
            ("ssdp.location", "http://10.10.10.51:80/IPCamDesc.xml"),
        ],
    );
    assert_eq!(told(&camera), (Some("Edimax"), Some(DeviceType::Camera), None));
    let plug = identity(
        "74:da:38:00:00:02",
        &[("dhcp.vendor_class", "udhcp 1.15.2"), ("dns.query", "www.myedimax.com")],
    );
    assert_eq!(told(&plug), (Some("Edimax"), Some(DeviceType::SmartPlug), None));
}

#[test]
fn a_computer_that_shares_a_printer_is_a_computer() {
    let mac = identity(
        "3c:22:fb:00:00:01",
        &[
            ("mdns.service", "_ipp._tcp"),
            ("mdns.txt", "_ipp._tcp rp=printers/Office"),
            ("mdns.txt", "_ipp._tcp pdl=application/pdf"),
            ("mdns.txt", "_device-info._tcp model=MacBookPro17,1"),
            ("dhcp.hostname", "Bens-MacBook-Pro"),
        ],
    );
    assert_eq!(told(&mac), (Some("Apple"), Some(DeviceType::Laptop), Some("MacBookPro17,1")));
}

#[test]
fn the_printer_itself_is_a_printer() {
    let printer = identity(
        "94:57:a5:00:00:01",
        &[
            ("mdns.service", "_ipp._tcp"),
            ("mdns.service", "_pdl-datastream._tcp"),
            ("mdns.txt", "_ipp._tcp ty=HP LaserJet 400 color M451dw"),
            ("mdns.txt", "_ipp._tcp usb_MFG=Hewlett-Packard"),
            ("dhcp.hostname", "NPI1A2B3C"),
        ],
    );
    assert_eq!(told(&printer), (Some("HP"), Some(DeviceType::Printer), Some("HP LaserJet 400 color M451dw")));
}

#[test]
fn a_desk_phone_by_lldp_med_and_by_sip() {
    let avaya = identity(
        "70:52:c5:00:00:01",
        &[
            ("lldp.capabilities", "bridge,telephone"),
            ("lldp.med_manufacturer", "Avaya"),
            ("lldp.med_model", "9608"),
            ("lldp.med_serial", "12WZ123456"),
            ("lldp.med_software", "hb96xxua3_1_03s.bin"),
        ],
    );
    assert_eq!(told(&avaya), (Some("Avaya"), Some(DeviceType::VoipPhone), Some("9608")));
    assert_eq!(avaya.serial.as_deref(), Some("12WZ123456"));
    let yealink = identity("80:5e:c0:00:00:01", &[("sip.user_agent", "Yealink SIP-T46S 66.84.0.15")]);
    assert_eq!(told(&yealink), (Some("Yealink"), Some(DeviceType::VoipPhone), Some("SIP-T46S")));
    assert_eq!(yealink.firmware.as_deref(), Some("66.84.0.15"));
}

#[test]
fn a_telephone_exchange_on_a_makers_server() {
    let named = identity(
        "f8:b1:56:00:00:01",
        &[
            ("dhcp.hostname", "pbx"),
            ("dhcp.vendor_class", "udhcp 1.35.0"),
            ("sip.method", "status"),
            ("sip.registrar", "200"),
            ("sip.server", "kamailio (5.6.3 (x86_64/linux))"),
        ],
    );
    assert_eq!(told(&named), (Some("Dell"), Some(DeviceType::CallServer), Some("kamailio")));
    assert_eq!((named.hostname.as_deref(), named.firmware), (Some("pbx"), None));
    // nothing but its part in the protocol, against a weaker word for a telephone
    let silent = identity("f8:b1:56:00:00:01", &[("sip.registrar", "401"), ("mdns.service", "_sip._udp")]);
    assert_eq!(told(&silent), (Some("Dell"), Some(DeviceType::CallServer), None));
}

#[test]
fn a_gateway_that_registers_telephones_is_no_exchange() {
    let gateway = identity(
        "4c:5e:0c:00:00:01",
        &[("sip.registrar", "200"), ("nd.router", "1800"), ("dhcp.server", "10.0.0.1")],
    );
    assert_eq!(gateway.device_type, Some(DeviceType::Router));
}

#[test]
fn a_storage_box_that_bears_its_first_name() {
    let named = identity("00:11:32:00:00:01", &[("dhcp.hostname", "DiskStation")]);
    assert_eq!(told(&named), (Some("Synology"), Some(DeviceType::Nas), None));
    let declared = identity(
        "00:11:32:00:00:01",
        &[
            ("dhcp.hostname", "DiskStation"),
            ("mdns.hostname", "DiskStation"),
            ("mdns.txt", "_http._tcp vendor=Synology"),
            ("mdns.txt", "_http._tcp model=DS218+"),
            ("upnp.device", "modelName=DS218+"),
        ],
    );
    assert_eq!(told(&declared), (Some("Synology"), Some(DeviceType::Nas), Some("DS218+")));
    assert_eq!(declared.hostname.as_deref(), Some("DiskStation"));
}

#[test]
fn a_switch_and_an_access_point_by_cdp() {
    let switch = identity(
        "00:21:1c:00:00:01",
        &[
            ("cdp.device", "sw-core-1(SAD0123)"),
            ("cdp.platform", "cisco WS-C3560G-24PS"),
            ("cdp.capabilities", "router,switch,igmp"),
            (
                "cdp.version",
                "Cisco IOS Software, C3560 Software (C3560-ADVIPSERVICESK9-M), Version 12.2(44)SE6, RELEASE",
            ),
        ],
    );
    assert_eq!(told(&switch), (Some("Cisco"), Some(DeviceType::Switch), Some("WS-C3560G-24PS")));
    assert_eq!(
        (switch.hostname.as_deref(), switch.firmware.as_deref()),
        (Some("sw-core-1"), Some("12.2(44)SE6"))
    );
    let point = identity(
        "b8:38:61:00:00:01",
        &[("cdp.platform", "cisco AIR-CAP2602I-Q-K9"), ("cdp.capabilities", "router,bridge")],
    );
    assert_eq!(point.device_type, Some(DeviceType::AccessPoint));
}

#[test]
fn a_controller_by_its_module_list() {
    let plc = identity(
        "00:1b:1b:00:00:01",
        &[("s7.module", "001c.0007=CPU 315-2 PN/DP"), ("s7.module", "0011.0001=6ES7 315-2EH14-0AB0")],
    );
    assert_eq!(plc.device_type, Some(DeviceType::Plc));
    assert_eq!(plc.vendor.as_deref(), Some("Siemens"));
}

#[test]
fn contradicting_declarations_leave_it_open() {
    let odd = identity(
        "02:00:00:00:00:01",
        &[
            ("mdns.txt", "_hap._tcp ci=7"),
            ("upnp.device", "deviceType=urn:schemas-upnp-org:device:Printer:1"),
        ],
    );
    assert_eq!(odd.device_type, None);
    assert!(odd.evidence.iter().filter(|e| e.attribute == Attribute::Type).count() >= 2);
}

#[test]
fn nothing_seen_is_nothing_said() {
    assert_eq!(identity("02:00:00:00:00:01", &[]), Identity::default());
    assert_eq!(vendor_of(MacAddr::BROADCAST), None);
}

#[test]
fn evidence_is_bounded() {
    let names: Vec<String> = (0..500).map(|n| format!("Shelly{n}-{n:06}")).collect();
    let readings: Vec<(&str, &str)> = names.iter().map(|name| ("mdns.hostname", name.as_str())).collect();
    assert_eq!(identity("02:00:00:00:00:01", &readings).evidence.len(), 64);
}

#[test]
fn a_camera_of_a_contract_manufacturer_by_its_peer_to_peer_login() {
    let camera = identity("b0:d5:9d:00:00:01", &[("pppp.device", "TNPUSAE"), ("arp.address", "10.0.0.9")]);
    assert_eq!(told(&camera), (Some("YI"), Some(DeviceType::Camera), None));
}

#[test]
fn a_plug_that_answers_its_makers_search() {
    let plug = identity("74:da:38:00:00:01", &[("edimax.model", "SP1101W"), ("edimax.firmware", "1.09")]);
    assert_eq!(told(&plug), (Some("Edimax"), Some(DeviceType::SmartPlug), Some("SP1101W")));
    assert_eq!(plug.firmware.as_deref(), Some("1.09"));
}

#[test]
fn a_thing_of_a_platform_is_named_after_it_and_not_typed() {
    let thing =
        identity("5c:cf:7f:00:00:01", &[("tuya.announcement", "encrypted"), ("dhcp.hostname", "ESP_1A2B3C")]);
    assert_eq!(told(&thing), (Some("Tuya"), None, None));
}

#[test]
fn a_telephone_with_the_app_of_a_camera_is_no_camera() {
    let phone = identity(
        "da:a1:19:00:00:02",
        &[
            ("dhcp.hostname", "Annas-iPhone"),
            ("dns.query", "api.wansview.com"),
            ("dns.query", "fw.ring.com"),
            ("tls.sni", "nexus.dropcam.com"),
        ],
    );
    assert_eq!(told(&phone), (Some("Apple"), Some(DeviceType::MobilePhone), None));
}

#[test]
fn a_shared_address_and_the_router_behind_it() {
    let shared = identity("00:00:0c:07:ac:0a", &[("hsrp.group", "1 10 16 110")]);
    assert_eq!(told(&shared), (Some("Cisco"), Some(DeviceType::Router), None));
    let behind = identity("70:0f:6a:00:00:01", &[("hsrp.group", "2 103 6 110"), ("stp.version", "2")]);
    assert_eq!(told(&behind), (Some("Cisco"), Some(DeviceType::Router), None));
}

#[test]
fn a_telephone_and_the_computer_behind_it_share_a_port_and_nothing_else() {
    let phone = identity(
        "00:1e:7a:00:00:01",
        &[
            ("cdp.platform", "Cisco IP Phone 7961"),
            ("eapol.role", "supplicant"),
            ("tftp.file", "SEP001E7A000001.cnf.xml"),
        ],
    );
    assert_eq!((phone.vendor.as_deref(), phone.device_type), (Some("Cisco"), Some(DeviceType::VoipPhone)));
    let computer = identity(
        "e4:11:5b:00:00:01",
        &[
            ("dhcp.hostname", "DESKTOP-1A2B3C4"),
            ("dhcp.vendor_class", "MSFT 5.0"),
            ("eapol.role", "supplicant"),
        ],
    );
    assert_eq!(
        (computer.vendor.as_deref(), computer.device_type),
        (Some("HP"), Some(DeviceType::Workstation))
    );
}

#[test]
fn a_print_server_is_not_the_printer_it_serves() {
    let server = identity(
        "52:54:00:00:00:09",
        &[("http.server", "CUPS/2.3 IPP/2.1"), ("ipp.attribute", "printer-make-and-model=HP LaserJet 4250")],
    );
    assert_ne!(server.device_type, Some(DeviceType::Printer));
    assert_eq!(server.model, None);
}

#[test]
fn a_call_server_in_a_virtual_machine_is_a_call_server() {
    let agent = identity("00:50:56:00:00:07", &[("mgcp.role", "agent")]);
    assert_eq!(agent.device_type, Some(DeviceType::CallServer));
}

#[test]
fn how_sure_each_answer_is_stands_beside_it() {
    let plug = identity("74:da:38:00:00:01", &[("edimax.model", "SP1101W")]);
    assert!(
        plug.sure.vendor > 0.9 && plug.sure.model > 0.9 && plug.sure.device_type > 0.8,
        "{:?}",
        plug.sure
    );
    let alone = identity("b0:c5:54:00:00:01", &[]);
    assert!(alone.sure.vendor > 0.7 && alone.sure.device_type == 0.0 && alone.sure.model == 0.0);
}

#[test]
fn a_computer_that_visits_a_makers_site_is_not_the_makers_thing() {
    let visits = ("dns.query", "www.ecobee.com");
    let thermostat = identity("44:61:32:00:00:01", &[visits]);
    assert_eq!(thermostat.device_type, Some(DeviceType::Thermostat), "the thing itself");
    for stack in ["128:mss*44:mss,nop,ws8,nop,nop,sok", "64:65535:mss,nop,ws6,nop,nop,ts,sok,eol"] {
        let computer = identity("00:1b:21:00:00:01", &[visits, ("tcp.syn", stack)]);
        assert_eq!(computer.device_type, None, "{stack}");
        assert_ne!(computer.vendor.as_deref(), Some("ecobee"), "{stack}");
    }
    let telephone = identity("da:a1:19:00:00:01", &[visits, ("dns.query", "time-ios.apple.com")]);
    assert_eq!(telephone.device_type, None);
    assert_eq!(telephone.os.as_deref(), Some("iOS"));
}

#[test]
fn how_connections_are_opened_tells_a_system_when_nothing_else_does() {
    let silent = identity("00:1b:21:00:00:01", &[("tcp.syn", "64:mss*44:mss,sok,ts,nop,ws7")]);
    assert_eq!(silent.os.as_deref(), Some("Linux"));
    assert_eq!(silent.device_type, None);
    let said = identity(
        "00:1b:21:00:00:01",
        &[("tcp.syn", "64:mss*20:mss,sok,ts,nop,ws6"), ("dhcp.vendor_class", "android-dhcp-13")],
    );
    assert_eq!(said.os.as_deref(), Some("Android 13"));
    // a router's neighbours open connections through it
    let router = identity(
        "00:1b:21:00:00:01",
        &[("dhcp.server", "192.168.1.1"), ("tcp.syn", "128:mss*44:mss,nop,ws8,nop,nop,sok")],
    );
    assert_eq!(router.os, None);
}

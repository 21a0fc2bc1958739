//! What the other readings of a device say about how far a claim can be trusted.
//!
//! Some readings are a device's own (it alone can send them from its address: DHCP, mDNS, LLDP…). Others may have come
//! through it (a router forwards everybody's DNS queries, HTTP requests and TLS hellos), or come from one of many
//! programs on it (a telephone runs the apps of ten other makers' lamps). Four situations lower such claims:
//!
//! - **the device passes on traffic of others** (it advertises itself as a router, answers DHCP, holds many addresses,
//!   or has the shared address of a router pair): everything that can have come through it counts
//!   [`PASSED_ON`], and is no declaration of its own any more;
//! - **the device is a computer or telephone**, by its own words, by the names that only its system asks for, or by how it
//!   opens connections: other cloud names are those of its programs and count [`SAID_BY_A_PROGRAM`];
//! - **the address is a computer or telephone maker's**, and the cloud another's: the same;
//! - **cloud names of many makers**: whoever talks to three makers' clouds is made by none of them because of that;
//!   cloud names count [`MANY_MAKERS`].

use std::collections::BTreeSet;

use eyot_contract::{Attribute, MacAddr, Nature};
use eyot_dissect::Field;

use crate::brand;
use crate::claim::Claim;
use crate::identity::Fact;
use crate::oui::{self, Virtual};

/// Factor for what may have been passed on for others.
pub const PASSED_ON: f32 = 0.4;
/// Factor for cloud names on a general-purpose machine.
pub const SAID_BY_A_PROGRAM: f32 = 0.4;
/// Factor for cloud names where those of several makers were seen.
pub const MANY_MAKERS: f32 = 0.5;
/// From this many different makers' clouds on, none of them counts.
const MAKERS: usize = 3;
/// A device that claims more IPv4 addresses than this answers for others (proxy ARP) or is a router.
const ADDRESSES: usize = 6;

/// Sources that can have come through the device rather than from it.
const PASSABLE: &[&str] = &[
    "dns", "tls", "quic", "http", "sip", "rtsp", "ssh", "ftp", "smtp", "telnet", "mqtt", "ipp", "pjl",
    "tftp", "mgcp", "h323", "sccp", "dnp3", "iec104", "mms", "modbus", "enip", "s7", "fins", "hartip",
    "opcua", "fox", "dicom", "hl7", "poct1", "coap", "dropbox", "tcp",
];
/// Sources that are names of clouds.
const CLOUD: &[&str] = &["dns.query", "tls.sni", "quic.sni", "http.host"];

/// Systems that only their maker's own things run.
const APPLES: &[&str] = &["macos", "ios", "ipados", "darwin"];

/// Kinds that run other makers' programs.
const KINDS: &[&str] =
    &["workstation", "laptop", "mobile_phone", "tablet", "server", "hypervisor", "virtual_machine"];

/// Lowers the claims that the situation makes doubtful.
pub fn weigh(mac: MacAddr, facts: &[Fact], claims: &mut [Claim]) {
    let passes_on = passes_on(mac, facts);
    let system = claims.iter().filter(|_| !passes_on).find_map(computers_system);
    let general_purpose = system.is_some() || claims.iter().any(is_general_purpose);
    let own_maker = system.is_some_and(|system| APPLES.contains(&system));
    let makers: BTreeSet<String> = claims
        .iter()
        .filter(|c| c.attribute == Attribute::Vendor && CLOUD.contains(&c.source))
        .map(|c| brand::plain(&c.value))
        .collect();
    let programs = programs(mac, claims);
    for claim in claims {
        let own_appliance = claim.rule.starts_with("http.own-");
        if passes_on && PASSABLE.contains(&claim.witness()) && !own_appliance {
            claim.confidence *= PASSED_ON;
            claim.nature = Nature::Inferred;
        }
        // which system asks for a name is as true as before, and so is Apple of an Apple, and a computer of a computer
        let of_its_own = match claim.attribute {
            Attribute::Os => true,
            Attribute::Vendor => own_maker && claim.value == "Apple",
            Attribute::Type => system.is_some() && KINDS.contains(&claim.value.as_str()),
            _ => false,
        };
        if CLOUD.contains(&claim.source) && !of_its_own {
            if general_purpose || programs.contains(&claim.rule) {
                claim.confidence *= SAID_BY_A_PROGRAM;
            } else if makers.len() >= MAKERS {
                claim.confidence *= MANY_MAKERS;
            }
        }
    }
}

/// Rules about clouds that are none of the address's maker, if that is one of computers and telephones: what asks for them
/// is most likely somebody's program.
fn programs(mac: MacAddr, claims: &[Claim]) -> BTreeSet<String> {
    let Some(maker) = oui::vendor_of(mac).filter(|brand| oui::makes_computers(brand)) else {
        return BTreeSet::new();
    };
    let of_clouds = || claims.iter().filter(|c| CLOUD.contains(&c.source));
    let own: BTreeSet<&str> = of_clouds()
        .filter(|c| c.attribute == Attribute::Vendor && brand::agree(&c.value, maker))
        .map(|c| c.rule.as_str())
        .collect();
    let computer = |c: &Claim| c.attribute == Attribute::Type && KINDS.contains(&c.value.as_str());
    of_clouds().filter(|c| !own.contains(c.rule.as_str()) && !computer(c)).map(|c| c.rule.clone()).collect()
}

fn passes_on(mac: MacAddr, facts: &[Fact]) -> bool {
    let addresses: BTreeSet<&str> =
        facts.iter().filter(|f| f.field == Field::ArpAddress).map(|f| f.value.as_str()).collect();
    addresses.len() > ADDRESSES
        || matches!(oui::virtual_of(mac), Some(Virtual::Router(_) | Virtual::Cluster(_)))
        || facts.iter().any(|fact| match fact.field {
            Field::NdRouter | Field::DhcpServer => true,
            Field::LldpCapabilities | Field::CdpCapabilities => {
                fact.value.split(',').any(|capability| capability.trim() == "router")
            }
            _ => false,
        })
}

/// A computer, telephone or tablet, said by something that only the device itself can have sent.
fn is_general_purpose(claim: &Claim) -> bool {
    const SYSTEMS: &[&str] = &["windows", "macos", "ios", "ipados", "android", "chromeos"];
    if PASSABLE.contains(&claim.witness()) || claim.confidence < 0.5 {
        return false;
    }
    match claim.attribute {
        Attribute::Type => KINDS.contains(&claim.value.as_str()),
        Attribute::Os => {
            let system = brand::plain(&claim.value);
            SYSTEMS.iter().any(|known| system.split(' ').next() == Some(known))
        }
        _ => false,
    }
}

/// The system of a computer or telephone, told by what it does unasked rather than by what the device says: the names it
/// asks for and its way to open connections. True of the sender only where nothing is passed on for others.
fn computers_system(claim: &Claim) -> Option<&'static str> {
    // Android and Linux are not among them: televisions and much else are made of them
    const OTHERS: &[&str] = &["windows", "chromeos"];
    const SURE_ENOUGH: f32 = 0.4;
    let telling = claim.attribute == Attribute::Os
        && claim.confidence >= SURE_ENOUGH
        && (CLOUD.contains(&claim.source) || claim.source == Field::TcpSyn.name());
    let system = brand::plain(&claim.value);
    let first = system.split(' ').next().filter(|_| telling)?;
    APPLES.iter().chain(OTHERS).copied().find(|known| *known == first)
}

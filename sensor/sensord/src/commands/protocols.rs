//! `protocols`: the dissector's registry, as people and machines read it.

use std::io::{stdout, Write};
use std::process::ExitCode;

use eyot_dissect::{protocols, Carrier, Field};
use serde_json::json;

use crate::cli::{ListArgs, ListFormat};
use crate::show::Table;

/// Prints every protocol with its carriers and fields.
pub fn run(args: &ListArgs) -> anyhow::Result<ExitCode> {
    let mut out = stdout().lock();
    if args.format == ListFormat::Json {
        let list: Vec<_> = protocols()
            .iter()
            .map(|p| {
                json!({
                    "name": p.name,
                    "description": p.description,
                    "carriers": p.carriers.iter().map(carrier).collect::<Vec<_>>(),
                    "fields": fields(p.name)
                        .map(|f| json!({"name": f.name(), "description": f.description()}))
                        .collect::<Vec<_>>(),
                })
            })
            .collect();
        serde_json::to_writer_pretty(&mut out, &list)?;
        writeln!(out)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(["protocol", "where", "fields", "what"]);
    for p in protocols() {
        let carriers: Vec<String> = p.carriers.iter().map(carrier).collect();
        let count = fields(p.name).count().to_string();
        table.row([p.name, &carriers.join(", "), &count, p.description]);
    }
    table.write(&mut out)?;
    Ok(ExitCode::SUCCESS)
}

fn carrier(carrier: &Carrier) -> String {
    match carrier {
        Carrier::EtherType(n) => format!("ethertype 0x{n:04x}"),
        Carrier::Llc(sap) => format!("LLC 0x{sap:02x}"),
        Carrier::Snap([a, b, c], pid) => format!("SNAP {a:02x}-{b:02x}-{c:02x} 0x{pid:04x}"),
        Carrier::Ip(n) => format!("IP {n}"),
        Carrier::Udp(port) => format!("UDP {port}"),
        Carrier::Tcp(port) => format!("TCP {port}"),
        Carrier::TcpOpening => "TCP opening".to_owned(),
        Carrier::AnyTcp => "any TCP".to_owned(),
        Carrier::Within(name) => format!("within {name}"),
    }
}

fn fields(protocol: &str) -> impl Iterator<Item = Field> + '_ {
    Field::ALL.iter().copied().filter(move |f| f.protocol() == protocol)
}

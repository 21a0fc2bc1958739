//! What the console shows above its login prompt.
//!
//! An issue file for agetty: `\4{name}` becomes the adapter's address when it is shown, so the text stays true when the
//! address changes. Backslashes of our own are doubled.

use eyot_contract::{HealthReport, InterfaceRole};

use super::role_word;

/// The text.
pub fn text(report: &HealthReport) -> String {
    let mut lines = vec![format!("Eyot sensor {}   {}", report.version, report.hostname), String::new()];
    for condition in report.conditions.iter().take(3) {
        lines.push(format!("  {}: {}", condition.code.title(), condition.detail));
        if condition.code.remedy() != "nothing to do" {
            lines.push(format!("    > {}", condition.code.remedy()));
        }
    }
    lines.push(String::new());
    let mut shown: Vec<String> = lines.into_iter().map(|l| l.replace('\\', "\\\\")).collect();
    for interface in &report.interfaces {
        let link = if interface.link { "link" } else { "no link" };
        let address = match interface.role {
            InterfaceRole::Management => format!("  \\4{{{}}}", interface.name),
            _ => String::new(),
        };
        shown.push(format!(
            "  {:<10} {:<12} {}  {link}{address}",
            role_word(interface.role),
            interface.name,
            interface.mac
        ));
    }
    shown.push("\n".to_owned());
    shown.join("\n")
}

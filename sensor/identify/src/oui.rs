//! Vendors by address prefix.

use eyot_contract::MacAddr;

/// The brand that the address was assigned to; `None` for locally administered and unassigned ones.
pub fn vendor_of(_mac: MacAddr) -> Option<&'static str> {
    None
}

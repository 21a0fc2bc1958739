//! What was taken and what was refused.

/// Counts since the process started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InventoryCounters {
    /// Frames taken.
    pub frames: u64,
    /// Frames whose link has no addresses, or a group or zero address as sender.
    pub frames_without_device: u64,
    /// Readings taken.
    pub readings: u64,
    /// Readings that somebody else made and a router passed on.
    pub readings_of_remote: u64,
    /// Readings refused because the field of that device had all its values.
    pub facts_refused: u64,
    /// Facts replaced by newer ones because they were old.
    pub facts_replaced: u64,
    /// Readings refused because the facts of all devices took all the memory they may.
    pub fact_bytes_refused: u64,
    /// Addresses refused because the device had all it may.
    pub addresses_refused: u64,
    /// Devices refused because there were as many as there may be.
    pub devices_refused: u64,
    /// Devices forgotten: quiet for the retention time, or fleeting while the table was full.
    pub devices_forgotten: u64,
    /// Peers not remembered because those of all devices were as many as there may be.
    pub peers_refused: u64,
    /// VLANs refused because the device had all it may.
    pub vlans_refused: u64,
}

//! Which observations are the same device, what changed, what went quiet; stored.
//!
//! A device is a MAC address. [`Inventory`] takes frames through the dissector and keeps, per device, its distinct facts,
//! the addresses it really has, where and when it was seen; the rules for whose a reading is (a router passes on what
//! others say) are in `addresses`. [`Store`] keeps it in SQLite, so that a kill at any moment loses seconds at most, and
//! [`Spool`] holds what the portal has not acknowledged yet.
//!
//! Nothing here reads a clock or a packet: times come with the frames or from the caller.

mod addresses;
mod counters;
mod decisions;
mod device;
mod facts;
mod gather;
mod inventory;
mod networks;
mod peers;
mod protocols;
mod readings;
mod store;

pub use addresses::{is_virtual_router, Address, AddressSource, MAX_ADDRESSES};
pub use counters::InventoryCounters;
pub use decisions::{Decision, DecisionError, Decisions, MAX_DECISIONS, MAX_SET_CHARS, MERGED};
pub use device::{Device, MAX_INTERVALS};
pub use facts::{StoredFact, MAX_FACTS, MAX_VALUES};
pub use gather::{Gathered, Gatherer, Sighting};
pub use inventory::{Inventory, MAX_DEVICES, MAX_FACT_BYTES, PRESENT_FOR, RETENTION};
pub use networks::{LocalNetworks, Network};
pub use peers::MAX_PEERS_OF_ALL;
pub use readings::Reading;

pub use store::{
    LearntRow, Outbox, OutboxState, Outgoing, Spool, SpoolState, Store, StoreError, MAX_SPOOLED,
};

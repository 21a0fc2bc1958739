//! What the portal decides, apart from how it is asked (api, pages, cli) and where it is kept (store).

pub mod bundle;
pub mod changes;
pub mod committed;
pub mod consolidation;
mod csv;
pub mod decisions;
pub mod enrolment;
pub mod health;
pub mod managed;
pub mod password;
pub mod plan;
pub mod registration;
pub mod remote;
pub mod role;
pub mod software;
pub mod threats;
pub mod token;
pub mod vulnerabilities;
pub mod vulnerability_import;

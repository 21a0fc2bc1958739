//! What the portal decides, apart from how it is asked (api, pages, cli) and where it is kept (store).

pub mod bundle;
pub mod changes;
pub mod committed;
pub mod consolidation;
pub mod decisions;
pub mod enrolment;
pub mod health;
pub mod managed;
pub mod password;
pub mod plan;
pub mod registration;
pub mod role;
pub mod threats;
pub mod token;

//! The portal: many sensors to one place.
//!
//! `store` remembers, `ca` vouches, `rules` decide; `api` (machines and programs) and `pages` (people) ask them; `server`
//! is the door and `router` the table of addresses; `cli` is the same from a terminal. Data flow from `server` down to
//! `store`; nothing below knows what is above it. What crosses to sensors and appliances is in `eyot-contract`.

mod address;
mod api;
mod ca;
pub mod cli;
mod files;
mod moments;
#[cfg(feature = "oidc")]
mod oidc;
mod outlets;
mod pages;
mod portal;
mod route;
mod router;
mod routes;
mod rules;
mod secret;
mod server;
mod settings;
mod store;

pub use address::{AddressError, PortalAddress};
pub use portal::{OpenError, Portal};
pub use route::{Route, Who};
pub use routes::routes;
pub use rules::registration;
pub use rules::role::Role;
pub use server::{ServeError, Server};
pub use store::{choose_database, Actor, DatabaseError, Store, StoreError};

//! The way to the portal, as an appliance knows it before and after activation: where it is, whom to believe, and what the
//! proxy makes of it.

use std::time::Duration;

use eyot_client::{Client, ClientError, Trust};
use eyot_contract::settings::Settings;

use crate::activate::Identity;

/// A portal that an appliance can ask for its sign of life.
pub struct PortalAddress {
    /// `https://host[:port]`.
    pub address: String,
    client: eyot_client::Builder,
    bare: Option<eyot_client::Builder>,
}

impl PortalAddress {
    /// Where the portal is and whom to believe, from the identity or else from a token.
    pub fn of(settings: &Settings, identity: Option<&Identity>, timeout: Duration) -> Option<Self> {
        let (address, trust) = match (identity, &settings.token) {
            (Some(identity), _) => {
                (identity.enrolment.portal.clone(), Trust::CaPem(identity.ca_pem().to_owned()))
            }
            (None, Some(token)) => (token.portal.clone(), Trust::Pin(token.ca_pin)),
            (None, None) => return None,
        };
        let builder = || {
            Client::builder(&address)
                .trust(trust.clone())
                .extra_ca(settings.extra_ca_pem.clone())
                .timeout(timeout)
        };
        let bare = settings.proxy.as_ref().filter(|p| p.credentials.is_some()).map(|proxy| {
            let mut proxy = proxy.clone();
            proxy.credentials = None;
            builder().proxy(Some(proxy))
        });
        let client = builder().proxy(settings.proxy.clone());
        Some(Self { address, client, bare })
    }

    /// A client without identity.
    ///
    /// # Errors
    /// Settings that cannot be used.
    pub fn client(&self) -> Result<Client, ClientError> {
        self.client.clone().build()
    }

    /// Whether the proxy lets us through without the credentials that were given.
    pub async fn credentials_are_needless(&self) -> bool {
        match self.bare.clone().map(eyot_client::Builder::build) {
            Some(Ok(client)) => client.alive().await.is_ok(),
            _ => false,
        }
    }
}

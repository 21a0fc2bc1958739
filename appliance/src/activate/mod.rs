//! From a token to an identity, and then no token.
//!
//! 1. The portal is asked for a sign of life through its pinned CA: name, proxy, TCP, TLS and clock are settled before
//!    the secret is sent.
//! 2. A key pair is made and stored; a request repeated after a power cut uses the same key, so the portal gives the
//!    same answer.
//! 3. The request goes out; the answer is checked against the pin and the key and put in place in one step.
//! 4. The token is forgotten everywhere ([`forget`]). A power cut before the end of this leads back to it.
//!
//! Activating again with another token, also one of another portal, replaces the identity the same way; what the sensor
//! has learnt is untouched. Once two thirds of its certificate's life are over an identity renews it by itself.

pub mod forget;
mod identity;
mod machine;
pub mod reset;

use std::time::Duration;

use eyot_client::{ca_pin, Client, ClientError, Trust};
use eyot_contract::settings::Settings;
use eyot_contract::{path, ActivationToken, ConditionCode, EnrolmentRequest, EnrolmentResponse, Timestamp};

use crate::host::{Guard, Host, HostError};
use crate::paths;

pub use identity::{Enrolment, Identity, CA, CERTIFICATE, KEY};
pub use machine::Marks;

/// How far this machine's clock may be from the portal's, in seconds. Certificates are issued with the portal's clock
/// and judged with ours, and evidence from a sensor with another time is worth little.
pub const MAX_DRIFT_S: i64 = 300;
const TIMEOUT: Duration = Duration::from_secs(30);

/// Why there is no identity.
#[derive(Debug, thiserror::Error)]
pub enum ActivationError {
    /// On the way to the portal, or by its answer.
    #[error(transparent)]
    Portal(#[from] ClientError),
    /// The portal's CA in the answer is not the pinned one.
    #[error("the portal's answer carries another CA than the token names; issue a new activation token")]
    OtherCa,
    /// No key could be made or used.
    #[error("no key pair for this appliance ({0}); restart the appliance")]
    Key(String),
    /// The machine would not take it.
    #[error("the activation could not be stored")]
    Host(#[from] HostError),
    /// Another activation is under way.
    #[error("another activation is under way on this machine; wait for it, `eyot-appliance status` shows the outcome")]
    Busy,
}

impl ActivationError {
    /// The condition that health shows.
    pub fn condition(&self) -> ConditionCode {
        match self {
            Self::Portal(error) => error.condition(),
            Self::OtherCa => ConditionCode::EndpointTls,
            Self::Key(_) | Self::Host(_) => ConditionCode::SanityFailed,
            Self::Busy => ConditionCode::Activating,
        }
    }

    /// Whether trying again later can help by itself.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Portal(error) => error.is_passing(),
            Self::OtherCa => false,
            Self::Key(_) | Self::Host(_) | Self::Busy => true,
        }
    }
}

/// The right to activate this machine, for as long as it is held; daemon and command line must not do it at once.
///
/// # Errors
/// [`ActivationError::Busy`].
pub fn reserve(host: &dyn Host) -> Result<Box<dyn Guard>, ActivationError> {
    host.lock(paths::ACTIVATION_LOCK)?.ok_or(ActivationError::Busy)
}

/// Activates: steps 1 to 3. The caller forgets the token afterwards.
///
/// # Errors
/// Any; then no identity has changed.
pub async fn activate(
    host: &dyn Host,
    token: &ActivationToken,
    settings: &Settings,
    _reserved: &dyn Guard,
) -> Result<Identity, ActivationError> {
    let client = Client::builder(&token.portal)
        .trust(Trust::Pin(token.ca_pin))
        .extra_ca(settings.extra_ca_pem.clone())
        .proxy(settings.proxy.clone())
        .timeout(TIMEOUT)
        .build()?;
    let alive = client.alive().await?;
    if alive.drift_seconds().abs() > MAX_DRIFT_S {
        return Err(ClientError::ClockDrift { local: alive.local_date, portal: alive.server_date }.into());
    }
    let candidate = identity::Candidate::for_token(host, token)?;
    let request = EnrolmentRequest {
        sensor: token.sensor,
        secret: token.secret_text(),
        csr_pem: candidate.request_pem(token.sensor)?,
        hostname: settings.hostname.clone().unwrap_or_else(|| host.hostname()),
        version: crate::VERSION.to_owned(),
    };
    let answer: EnrolmentResponse = client.post_json(path::ENROL, &request).await?;
    if ca_pin(&answer.ca_pem)? != token.ca_pin {
        return Err(ActivationError::OtherCa);
    }
    // builds only if the certificate belongs to the key
    let used = Identity::load(host)?.map(|i| i.enrolment.used_tokens).unwrap_or_default();
    let identity = candidate.complete(answer, token, Marks::of(host)?, used, Timestamp::now());
    identity.client(settings, TIMEOUT)?;
    identity.store(host)?;
    Ok(identity)
}

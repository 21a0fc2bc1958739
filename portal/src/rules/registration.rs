//! Registering a sensor: a name and a subscription go in; a token, the command that uses it and a seed volume come out.
//!
//! The token exists only in what is returned here. Whoever wants the seed volume again later brings the token along.

use eyot_contract::settings::{resolve, Layer, SettingsError};
use eyot_contract::{ActivationToken, CaPin, Seed, Timestamp, VOLUME_LABEL};
use uuid::Uuid;

use crate::address::PortalAddress;
use crate::secret::{self, NoRandomness};
use crate::store::{Actor, Edited, NewSensor, SensorEdit, Store, StoreError};

/// Life of a token in days.
pub const TOKEN_DAYS: i64 = 14;
/// Longest name of a sensor or a subscription, in characters.
pub const MAX_NAME_CHARS: usize = 100;

/// Who the portal is: what every token says.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Where it is reached.
    pub address: PortalAddress,
    /// The CA that proves it.
    pub pin: CaPin,
}

/// A token just issued.
pub struct Issued {
    /// The sensor.
    pub sensor: Uuid,
    /// Its name.
    pub name: String,
    /// The token's text.
    pub token: String,
    /// When it stops working.
    pub expires: Timestamp,
}

/// Why a sensor was not registered, or a token not issued.
#[derive(Debug, thiserror::Error)]
pub enum RegistrationError {
    /// A name that cannot be used.
    #[error("the {what} {reason}")]
    Name {
        /// `sensor name`, `zone` or `subscription`.
        what: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// There is a sensor of this name.
    #[error("there is a sensor named \"{0}\" already; choose another name, or create a new activation command for that one")]
    Taken(String),
    /// There is no such sensor.
    #[error("there is no such sensor; it may have been deleted")]
    NotThere,
    /// A setting for the seed cannot be used.
    #[error(transparent)]
    Setting(#[from] SettingsError),
    /// The seed was asked for with a token that is not (or no longer) this portal's.
    #[error("this is not a token that can still be used here; create a new activation command")]
    Token,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No random bytes.
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
    /// The seed volume could not be put together.
    #[error("the seed volume could not be made")]
    Volume(#[from] eyot_iso::WriteError),
}

/// Registers a sensor.
///
/// # Errors
/// [`RegistrationError`]; nothing is registered then.
pub async fn register(
    store: &Store,
    identity: &Identity,
    name: &str,
    subscription: &str,
    by: Actor<'_>,
) -> Result<Issued, RegistrationError> {
    let name = checked("sensor name", name)?;
    let subscription = checked("subscription", subscription)?;
    let id = Uuid::new_v4();
    let (token, expires, hash) = new_token(identity, id, by.at)?;
    let new = NewSensor { id, name, subscription };
    match store.register(&new, &hash, expires, by).await? {
        true => Ok(Issued { sensor: id, name: name.to_owned(), token, expires }),
        false => Err(RegistrationError::Taken(name.to_owned())),
    }
}

/// Issues a new token for a sensor; older ones stop working.
///
/// # Errors
/// [`RegistrationError`]; the older token still works then.
pub async fn reissue(
    store: &Store,
    identity: &Identity,
    sensor: Uuid,
    by: Actor<'_>,
) -> Result<Issued, RegistrationError> {
    let name = store.sensor(sensor).await?.ok_or(RegistrationError::NotThere)?.name;
    let (token, expires, hash) = new_token(identity, sensor, by.at)?;
    match store.reissue(sensor, &hash, expires, by).await? {
        true => Ok(Issued { sensor, name, token, expires }),
        false => Err(RegistrationError::NotThere),
    }
}

/// Changes a sensor's name, zone or subscription; what is `None` stays.
///
/// # Errors
/// [`RegistrationError`]; nothing is changed then.
pub async fn edit(
    store: &Store,
    sensor: Uuid,
    edit: SensorEdit<'_>,
    by: Actor<'_>,
) -> Result<(), RegistrationError> {
    let edit = SensorEdit {
        name: edit.name.map(|n| checked("sensor name", n)).transpose()?,
        zone: edit.zone.map(|n| checked("zone", n)).transpose()?,
        subscription: edit.subscription.map(|n| checked("subscription", n)).transpose()?,
    };
    match store.edit_sensor(sensor, edit, by).await? {
        Edited::Done => Ok(()),
        Edited::NameTaken => Err(RegistrationError::Taken(edit.name.unwrap_or_default().to_owned())),
        Edited::NotThere => Err(RegistrationError::NotThere),
    }
}

/// The sensor a token belongs to, if the token could still activate it.
///
/// # Errors
/// [`RegistrationError::Token`] if it could not.
pub async fn usable_token(
    store: &Store,
    text: &str,
    now: Timestamp,
) -> Result<ActivationToken, RegistrationError> {
    let token: ActivationToken = text.parse().map_err(|_| RegistrationError::Token)?;
    let hash = secret::hash(&token.secret);
    let usable = store.activations(token.sensor).await?.into_iter().any(|a| {
        secret::same(&a.secret_hash, &hash)
            && a.replaced_at.is_none()
            && a.used_at.is_none()
            && a.deleted_at.is_none()
            && a.expires_at > now.0
    });
    usable.then_some(token).ok_or(RegistrationError::Token)
}

/// The command that activates an appliance. The token goes through standard input, not through the argument list, where
/// every process of the machine could read it.
pub fn activation_command(token: &str) -> String {
    format!("sudo eyot-appliance activate --token-file - <<< '{token}'")
}

/// The seed volume for one appliance: the token and whatever other settings are given.
///
/// # Errors
/// A setting nobody knows, or that cannot be used; or the volume cannot be made.
pub fn seed_volume<'a>(
    token: &str,
    sensor: Uuid,
    settings: impl IntoIterator<Item = (&'a str, &'a str)>,
    now: Timestamp,
) -> Result<Vec<u8>, RegistrationError> {
    let layer = seed_layer(token, settings)?;
    let seconds = u64::try_from(now.seconds()).unwrap_or(0);
    let mut volume = eyot_iso::Volume::new(VOLUME_LABEL, seconds)?;
    for (name, content) in Seed::new(layer, sensor).files() {
        volume = volume.file(name, content.into_bytes())?;
    }
    Ok(volume.to_bytes())
}

/// Checks the settings of a seed before anything is registered.
///
/// # Errors
/// A setting nobody knows, or that cannot be used.
pub fn check_settings<'a>(
    settings: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<(), SettingsError> {
    let mut layer = Layer::new("settings");
    fill(&mut layer, settings)?;
    resolve(&[layer]).map(drop)
}

fn seed_layer<'a>(
    token: &str,
    settings: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<Layer, SettingsError> {
    let mut layer = Layer::new("settings");
    fill(&mut layer, settings)?;
    layer.set("activation.token", token)?;
    resolve(&[layer.clone()])?;
    Ok(layer)
}

fn fill<'a>(
    layer: &mut Layer,
    settings: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<(), SettingsError> {
    for (key, value) in settings {
        if key == "activation.token" {
            return Err(SettingsError::Combination {
                key: "activation.token",
                reason: "the portal puts the token in itself; leave this setting out".to_owned(),
            });
        }
        if !value.trim().is_empty() {
            layer.set(key, value.trim())?;
        }
    }
    Ok(())
}

fn new_token(
    identity: &Identity,
    sensor: Uuid,
    now: Timestamp,
) -> Result<(String, Timestamp, String), NoRandomness> {
    let secret: [u8; 32] = secret::random()?;
    let expires = Timestamp::from_seconds(Timestamp(now.0 + TOKEN_DAYS * Timestamp::DAY).seconds());
    let portal = identity.address.to_string();
    let token = ActivationToken { sensor, secret, ca_pin: identity.pin, expires, portal };
    Ok((token.encode(), expires, secret::hash(&secret)))
}

/// A name as it is kept: trimmed, neither empty nor too long, without control characters.
///
/// # Errors
/// [`RegistrationError::Name`].
pub(crate) fn checked<'a>(what: &'static str, text: &'a str) -> Result<&'a str, RegistrationError> {
    let text = text.trim();
    let reason = match text.chars().count() {
        0 => "is empty".to_owned(),
        n if n > MAX_NAME_CHARS => format!("has {n} characters; at most {MAX_NAME_CHARS} are allowed"),
        _ if text.chars().any(char::is_control) => "has a control character in it".to_owned(),
        _ => return Ok(text),
    };
    Err(RegistrationError::Name { what, reason })
}

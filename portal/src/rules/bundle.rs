//! Bundles carried here by hand: whose is it, is it whole, may it be believed.
//!
//! A bundle is believed if its signature is by the key of a certificate that this portal's CA made, that the store knows
//! as a sensor's, and that is neither revoked nor was over when the bundle was put together. Who the sensor is follows
//! from the certificate alone; the name in the header and the name of the file are for people.

use eyot_contract::{
    read_bundle, BundleError, BundleHeader, Content, DeviceBatch, Timestamp, UnverifiedBundle,
};
use ring::signature::{UnparsedPublicKey, ECDSA_P256_SHA256_ASN1};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::CertificateDer;
use x509_parser::prelude::X509Certificate;

use crate::ca::Authority;
use crate::store::{Actor, Certificate, Imported, Store, StoreError};

/// How far ahead of the portal's clock a sensor's may be, in seconds.
const MAX_AHEAD_S: i64 = 3600;

/// Why a bundle is not imported.
#[derive(Debug, thiserror::Error)]
pub enum BundleRefusal {
    /// It is none, or was cut.
    #[error(transparent)]
    Form(#[from] BundleError),
    /// Another portal's sensor wrote it.
    #[error("it was signed with a certificate that this portal did not issue; import it at the portal where the sensor \"{0}\" is activated")]
    Foreign(String),
    /// Signature and content do not go together.
    #[error("its signature is not by the sensor's key over this content; the file was changed or damaged on the way, copy it again")]
    Signature,
    /// The certificate was replaced or withdrawn.
    #[error("the certificate it was signed with has been replaced since; the sensor has another one and signs new bundles with it")]
    Revoked,
    /// Deleted.
    #[error("its sensor was deleted at this portal")]
    Deleted,
    /// The certificate was over already.
    #[error("it was put together {created}, and the sensor's certificate holds from {from} to {to}; set the sensor's clock, or activate it again")]
    Expired {
        /// By the header.
        created: Timestamp,
        /// Begin of the certificate's life.
        from: Timestamp,
        /// Its end.
        to: Timestamp,
    },
    /// From the future.
    #[error(
        "it was put together {0}, which is still to come; set the clock of the sensor or of this portal"
    )]
    Early(Timestamp),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A bundle that was imported, now or before.
#[derive(Debug)]
pub struct Taken {
    /// Its first line.
    pub header: BundleHeader,
    /// Messages of kinds that only other systems read.
    pub unused: usize,
    /// What became of it.
    pub outcome: Imported,
}

/// Checks a bundle and stores what it carries.
///
/// # Errors
/// Why not; nothing is stored then.
pub async fn import(
    store: &Store,
    authority: &Authority,
    bytes: &[u8],
    by: Actor<'_>,
) -> Result<Taken, BundleRefusal> {
    let bundle = read_bundle(bytes)?;
    let serial = believed(authority, &bundle, by.at)?;
    let sensor = match store.certificate(&serial).await? {
        Certificate::Valid(sensor) => sensor,
        Certificate::Deleted => return Err(BundleRefusal::Deleted),
        Certificate::Void => return Err(BundleRefusal::Revoked),
        Certificate::Unknown => return Err(foreign(&bundle)),
    };
    let header = bundle.header;
    let all = bundle.messages.len();
    let mut batch = DeviceBatch {
        epoch: header.epoch,
        sequence: header.sequence,
        sent: header.created,
        devices: Vec::new(),
        findings: Vec::new(),
    };
    for message in bundle.messages {
        match message.content {
            Content::Device { device } => batch.devices.push(*device),
            Content::Finding { finding } => batch.findings.push(*finding),
            // the state of a program at a moment long past
            Content::Health { .. } => {}
        }
    }
    let unused = all - batch.devices.len() - batch.findings.len();
    let outcome = store.import(sensor, batch, by).await?;
    tracing::info!(%sensor, sequence = header.sequence, ?outcome, "bundle");
    Ok(Taken { header, unused, outcome })
}

/// The serial number of the certificate by whose key the bundle is signed, if this portal's CA made it.
fn believed(
    authority: &Authority,
    bundle: &UnverifiedBundle<'_>,
    now: Timestamp,
) -> Result<String, BundleRefusal> {
    let der = CertificateDer::from_pem_slice(bundle.certificate.as_bytes()).map_err(|_| foreign(bundle))?;
    let certificate = parse(&der).ok_or_else(|| foreign(bundle))?;
    let ca = parse(authority.certificate()).ok_or_else(|| foreign(bundle))?;
    if certificate.verify_signature(Some(ca.public_key())).is_err() {
        return Err(foreign(bundle));
    }
    let key = &certificate.public_key().subject_public_key.data;
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key)
        .verify(bundle.signed, &bundle.signature)
        .map_err(|_| BundleRefusal::Signature)?;
    let created = bundle.header.created;
    let life = certificate.validity();
    let moment = |time: x509_parser::time::ASN1Time| Timestamp::from_seconds(time.timestamp());
    let (from, to) = (moment(life.not_before), moment(life.not_after));
    if created < from || created > to {
        return Err(BundleRefusal::Expired { created, from, to });
    }
    if created.seconds() > now.seconds() + MAX_AHEAD_S {
        return Err(BundleRefusal::Early(created));
    }
    Ok(hex::encode(certificate.raw_serial()))
}

fn parse<'a>(der: &'a CertificateDer<'_>) -> Option<X509Certificate<'a>> {
    x509_parser::parse_x509_certificate(der).ok().map(|(_, parsed)| parsed)
}

fn foreign(bundle: &UnverifiedBundle<'_>) -> BundleRefusal {
    // nobody vouches for this name yet
    let name = bundle.header.sensor.chars().filter(|c| !c.is_control()).take(64).collect();
    BundleRefusal::Foreign(name)
}

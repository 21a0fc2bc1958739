//! Bundles in a folder, for sensors without a connection: somebody carries them to the portal and imports them there.
//!
//! A bundle is complete under its name or not there at all, and is not touched again: who carries it away deletes it. The
//! folder has a bound; when it is full the spool keeps what comes next, by its own rules.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use eyot_contract::{write_bundle, BundleHeader, Timestamp, BUNDLE_SCHEMA};
use ring::rand::SystemRandom;
use ring::signature::{EcdsaKeyPair, ECDSA_P256_SHA256_ASN1_SIGNING};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::PrivatePkcs8KeyDer;

use crate::destination::{Batch, Destination, Trouble};

/// Most bytes of bundles that wait in the folder to be carried away.
pub const MAX_FOLDER_BYTES: u64 = 1 << 30;
/// What bundles are called: `eyot-<sensor>-<epoch>-<number>.ndjson`.
const EXTENSION: &str = "ndjson";

/// Why bundles cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum BundleTrouble {
    /// The key cannot sign.
    #[error("this sensor's key cannot sign bundles; activate the appliance again with a new token")]
    Key,
    /// A message cannot be written.
    #[error("a message cannot be written")]
    Message(#[from] serde_json::Error),
    /// The folder or a file in it.
    #[error("{}: cannot be written", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

/// Writes bundles into a folder.
pub struct BundleFolder {
    folder: PathBuf,
    sensor: String,
    key: EcdsaKeyPair,
    certificate_pem: String,
}

impl BundleFolder {
    /// Bundles into `folder`, which is made if it is not there, signed with the sensor's own key (PKCS #8 PEM, P-256).
    ///
    /// # Errors
    /// When the key is not one, or the folder cannot be made.
    pub fn new(
        folder: impl Into<PathBuf>,
        sensor: impl Into<String>,
        key_pem: &str,
        certificate_pem: impl Into<String>,
    ) -> Result<Self, BundleTrouble> {
        let folder = folder.into();
        let der = PrivatePkcs8KeyDer::from_pem_slice(key_pem.as_bytes()).map_err(|_| BundleTrouble::Key)?;
        let key = EcdsaKeyPair::from_pkcs8(
            &ECDSA_P256_SHA256_ASN1_SIGNING,
            der.secret_pkcs8_der(),
            &SystemRandom::new(),
        )
        .map_err(|_| BundleTrouble::Key)?;
        fs::create_dir_all(&folder)
            .map_err(|source| BundleTrouble::Write { path: folder.clone(), source })?;
        Ok(Self { folder, sensor: sensor.into(), key, certificate_pem: certificate_pem.into() })
    }

    fn write(&self, batch: &Batch) -> Result<(), BundleTrouble> {
        let messages: Vec<_> =
            (0..batch.records.len()).filter_map(|at| batch.message(at, &self.sensor)).collect();
        let header = BundleHeader {
            bundle: BUNDLE_SCHEMA.to_owned(),
            sensor: self.sensor.clone(),
            epoch: batch.epoch,
            sequence: batch.sequence,
            created: batch.sent,
            messages: messages.len() as u64,
        };
        let bytes = write_bundle(&header, &messages, &self.certificate_pem, |signed| {
            self.key
                .sign(&SystemRandom::new(), signed)
                .map(|signature| signature.as_ref().to_vec())
                .map_err(|_| BundleTrouble::Key)
        })?;
        let path = self.folder.join(self.name(batch));
        write_whole(&path, &bytes).map_err(|source| BundleTrouble::Write { path, source })
    }

    fn name(&self, batch: &Batch) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '_' };
        let sensor: String = self.sensor.chars().map(plain).take(64).collect();
        let epoch = batch.epoch.simple().to_string();
        format!("eyot-{sensor}-{}-{:010}.{EXTENSION}", &epoch[..8], batch.sequence)
    }

    fn waiting_bytes(&self) -> io::Result<u64> {
        let mut bytes = 0;
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            if entry.path().extension().is_some_and(|e| e == EXTENSION) {
                bytes += entry.metadata()?.len();
            }
        }
        Ok(bytes)
    }
}

impl Destination for BundleFolder {
    async fn deliver(&mut self, batch: &Batch, _now: Timestamp) -> Result<(), Trouble> {
        let folder = self.folder.display();
        let waiting = self.waiting_bytes().map_err(|error| Trouble::Later {
            after: None,
            message: format!("{folder}: cannot be read ({error})"),
        })?;
        if waiting >= MAX_FOLDER_BYTES {
            let message = format!(
                "{folder} holds {} MiB of bundles that nobody has carried away; import them at the portal and delete them",
                waiting >> 20
            );
            return Err(Trouble::Operator { message });
        }
        self.write(batch).map_err(|error| {
            let cause = std::error::Error::source(&error).map(|c| format!(" ({c})")).unwrap_or_default();
            Trouble::Later { after: None, message: format!("{error}{cause}") }
        })
    }
}

/// Another name, on disk, then its own name, and that on disk: a bundle that is there is whole.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = path.with_extension("part");
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o640).open(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use eyot_contract::{read_bundle, Content, SensorStatus};
    use ring::signature::{UnparsedPublicKey, ECDSA_P256_SHA256_ASN1};
    use uuid::Uuid;

    use super::*;

    fn batch(sequence: u64) -> Batch {
        let health = Content::Health { health: Box::new(SensorStatus::default()) };
        Batch { epoch: Uuid::nil(), sequence, sent: Timestamp(0), records: vec![health.clone(), health] }
    }

    #[tokio::test]
    async fn a_bundle_is_whole_signed_and_the_same_again() {
        let dir = tempfile::tempdir().unwrap();
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let folder = dir.path().join("bundles");
        let mut bundles = BundleFolder::new(&folder, "lab/1", &key.serialize_pem(), "CERTIFICATE").unwrap();
        for _ in 0..2 {
            bundles.deliver(&batch(7), Timestamp(0)).await.unwrap();
        }
        let names: Vec<_> =
            fs::read_dir(&folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        assert_eq!(names, ["eyot-lab_1-00000000-0000000007.ndjson"]);
        let bytes = fs::read(folder.join(&names[0])).unwrap();
        let bundle = read_bundle(&bytes).unwrap();
        assert_eq!((bundle.header.sequence, bundle.messages.len()), (7, 2));
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key.public_key_raw());
        public.verify(bundle.signed, &bundle.signature).unwrap();
        let mut changed = bundle.signed.to_vec();
        changed[20] ^= 1;
        assert!(public.verify(&changed, &bundle.signature).is_err());
    }

    #[tokio::test]
    async fn a_full_folder_holds_back_and_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let mut bundles = BundleFolder::new(dir.path(), "lab", &key.serialize_pem(), "C").unwrap();
        File::create(dir.path().join("old.ndjson")).unwrap().set_len(MAX_FOLDER_BYTES).unwrap();
        let trouble = bundles.deliver(&batch(1), Timestamp(0)).await.unwrap_err();
        assert!(
            matches!(&trouble, Trouble::Operator { message } if message.contains("1024 MiB")),
            "{trouble}"
        );
        fs::remove_file(dir.path().join("old.ndjson")).unwrap();
        bundles.deliver(&batch(1), Timestamp(0)).await.unwrap();
    }

    #[test]
    fn a_key_that_cannot_sign_is_refused_without_being_shown() {
        let error =
            BundleFolder::new("/nowhere", "lab", "-----BEGIN PRIVATE KEY-----\nAAAA\n", "C").err().unwrap();
        assert!(matches!(error, BundleTrouble::Key) && !error.to_string().contains("AAAA"));
    }
}

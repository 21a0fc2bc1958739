//! The audit log: who changed what, when. An entry is part of the change's own transaction: neither is there without
//! the other.

use eyot_contract::Timestamp;
use sqlx::{AnyConnection, FromRow};
use uuid::Uuid;

use super::{Doing, Store, StoreError};

/// Most entries returned at one time.
const MAX_ENTRIES: i64 = 1000;

macro_rules! actions {
    ($($(#[$doc:meta])* $action:ident = $name:literal, $title:literal;)+) => {
        /// What can be done.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Action { $($(#[$doc])* $action),+ }

        impl Action {
            const ALL: &'static [Self] = &[$(Self::$action),+];

            /// Name for machines.
            pub fn name(self) -> &'static str {
                match self { $(Self::$action => $name),+ }
            }

            fn title(self) -> &'static str {
                match self { $(Self::$action => $title),+ }
            }
        }
    };
}

actions! {
    /// A sensor was registered.
    SensorRegistered = "sensor.registered", "Sensor registered";
    /// A new activation command was created.
    ActivationCreated = "sensor.activation_created", "Activation command created";
    /// A machine enrolled as a sensor.
    SensorEnrolled = "sensor.enrolled", "Sensor activated";
    /// A sensor got a new certificate for its old one.
    CertificateRenewed = "sensor.certificate_renewed", "Certificate renewed";
    /// A sensor's name, zone or subscription was changed.
    SensorEdited = "sensor.edited", "Sensor edited";
    /// A sensor was deleted.
    SensorDeleted = "sensor.deleted", "Sensor deleted";
    /// A bundle was imported.
    BundleImported = "bundle.imported", "Bundle imported";
    /// A plan was added.
    PlanAdded = "plan.added", "Plan added";
    /// A plan was cancelled.
    PlanCancelled = "plan.cancelled", "Plan cancelled";
    /// The list of managed endpoints was replaced.
    ManagedImported = "managed.imported", "Managed endpoints imported";
    /// A finding's status or note was changed.
    FindingChanged = "finding.changed", "Finding changed";
    /// A rule that hides findings was added.
    SuppressionAdded = "suppression.added", "Suppression rule added";
    /// A rule that hides findings was removed.
    SuppressionRemoved = "suppression.removed", "Suppression rule removed";
    /// A threat list was uploaded.
    ThreatListAdded = "threat_list.added", "Threat list uploaded";
    /// A threat list was turned on or off.
    ThreatListSwitched = "threat_list.switched", "Threat list switched";
    /// A threat list was removed.
    ThreatListRemoved = "threat_list.removed", "Threat list removed";
    /// Settings for sensors were changed.
    SettingsChanged = "settings.changed", "Sensor settings changed";
    /// A list of vulnerabilities was imported.
    VulnerabilitiesImported = "vulnerabilities.imported", "Vulnerability list imported";
    /// A package of software was uploaded.
    SoftwareAdded = "software.added", "Software uploaded";
    /// A package of software was removed.
    SoftwareRemoved = "software.removed", "Software removed";
    /// What a zone is to have was decided.
    RolloutChanged = "software.rollout_changed", "Roll-out changed";
    /// Somebody set a device's attributes.
    DeviceEdited = "device.edited", "Device edited";
    /// Devices were merged into one.
    DevicesMerged = "device.merged", "Devices merged";
    /// A merge was undone.
    MergeUndone = "device.unmerged", "Merge undone";
    /// A view of the inventory was shared or changed.
    ViewShared = "view.shared", "View shared";
    /// A shared view was removed.
    ViewRemoved = "view.removed", "View removed";
    /// A device was deleted.
    DeviceDeleted = "device.deleted", "Device deleted";
    /// Devices that no sensor had seen for long were removed.
    DevicesExpired = "device.expired", "Unseen devices removed";
    /// How long unseen devices are kept was changed.
    RetentionChanged = "device.retention_changed", "Retention changed";
    /// An account was added.
    UserAdded = "user.added", "Account added";
    /// An account was removed.
    UserRemoved = "user.removed", "Account removed";
    /// An account got another password.
    PasswordChanged = "user.password_changed", "Password changed";
    /// An account's role was changed.
    RoleChanged = "user.role_changed", "Role changed";
    /// Somebody signed in.
    SignedIn = "user.signed_in", "Signed in";
    /// Wrong passwords locked an account.
    Locked = "user.locked", "Account locked";
    /// An API token was made.
    TokenCreated = "api_token.created", "API token created";
    /// An API token was deleted.
    TokenDeleted = "api_token.deleted", "API token deleted";
}

/// Who does something, and when.
#[derive(Clone, Copy, Debug)]
pub struct Actor<'a> {
    /// Account, token or `command line`.
    pub name: &'a str,
    /// The moment.
    pub at: Timestamp,
}

impl<'a> Actor<'a> {
    /// Somebody, now.
    pub fn now(name: &'a str) -> Self {
        Self { name, at: Timestamp::now() }
    }

    /// Whoever runs commands on the portal's machine, now.
    pub fn command_line() -> Self {
        Self::now("command line")
    }
}

/// An entry as listed.
#[derive(Clone, Debug, FromRow)]
pub struct AuditEntry {
    /// Its id.
    pub id: String,
    /// When, in µs.
    pub at: i64,
    /// Who.
    pub actor: String,
    /// What, by its name for machines.
    pub action: String,
    /// To what.
    pub subject: String,
    /// Particulars.
    pub detail: String,
}

impl AuditEntry {
    /// What was done, for people. An action of a later version keeps its name.
    pub fn title(&self) -> &str {
        Action::ALL.iter().find(|a| a.name() == self.action).map_or(&self.action, |a| a.title())
    }
}

pub(super) async fn note(
    on: &mut AnyConnection,
    by: Actor<'_>,
    action: Action,
    subject: &str,
    detail: &str,
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO audit (id, at, actor, action, subject, detail) VALUES ($1, $2, $3, $4, $5, $6)")
        .bind(Uuid::new_v4().to_string())
        .bind(by.at.0)
        .bind(by.name)
        .bind(action.name())
        .bind(subject)
        .bind(detail)
        .execute(on)
        .await
        .doing("writing the audit log")?;
    Ok(())
}

impl Store {
    /// The latest entries, newest first.
    ///
    /// # Errors
    /// The database fails.
    pub async fn audit(&self) -> Result<Vec<AuditEntry>, StoreError> {
        self.audit_before(None, MAX_ENTRIES).await
    }

    /// Entries that come after this one in a log that begins with the newest.
    ///
    /// # Errors
    /// The database fails.
    pub async fn audit_before(
        &self,
        before: Option<(i64, &str)>,
        limit: i64,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        let (at, id) = before.unwrap_or((i64::MAX, ""));
        sqlx::query_as(
            "SELECT id, at, actor, action, subject, detail FROM audit WHERE at < $1 OR (at = $1 AND id > $2) \
             ORDER BY at DESC, id LIMIT $3",
        )
        .bind(at)
        .bind(id)
        .bind(limit.min(MAX_ENTRIES))
        .fetch_all(&self.pool)
        .await
        .doing("reading the audit log")
    }
}

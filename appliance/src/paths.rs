//! Every path the agent reads or writes, so that what it leaves on a machine can be seen in one place.

/// Settings by the operator or the installation wizard; the strongest source.
pub const LOCAL_SETTINGS: &str = "/etc/eyot/local.toml";
/// Settings from the local set-up page; only the operator's own file is stronger.
pub const PAGE_SETTINGS: &str = "/etc/eyot/page.toml";
/// Settings from cloud-init, removed after activation.
pub const SEED_SETTINGS: &str = eyot_contract::SEED_PATH;
/// What the seed said, without the token: outlives the seed.
pub const KEPT_SETTINGS: &str = "/var/lib/eyot/settings.toml";

/// The agent's own state; traversable so that the sensor reaches its identity.
pub const STATE_DIR: &str = "/var/lib/eyot";
/// Key, certificate, CA and enrolment, together or not at all.
pub const IDENTITY_DIR: &str = "/var/lib/eyot/identity";
/// An identity in the making: the key is here before the portal is asked.
pub const NEXT_IDENTITY_DIR: &str = "/var/lib/eyot/identity.next";
/// Key and certificate of the local page.
pub const PAGE_CERTIFICATE: &str = "/var/lib/eyot/page.json";
/// What the local page's settings were before a change of the network that nobody has confirmed yet.
pub const PAGE_BEFORE: &str = "/var/lib/eyot/page-before.toml";
/// Written when the token has been forgotten everywhere, with what was found.
pub const FORGOTTEN: &str = "/var/lib/eyot/forgotten.json";

/// The management interface's configuration.
pub const NETPLAN: &str = "/etc/netplan/60-eyot.yaml";
/// There when the unit that decides the network is enabled (systemctl(1), `enable`): on an appliance.
pub const NETWORK_ENABLED: &str = "/etc/systemd/system/multi-user.target.wants/eyot-network.service";
/// Where netplan puts what it made of it; volatile.
pub const NETWORKD_GENERATED: &str = "/run/systemd/network/10-netplan-management.network";
/// NTP servers, when the settings name some.
pub const TIMESYNCD: &str = "/etc/systemd/timesyncd.conf.d/60-eyot.conf";
/// Host name.
pub const HOSTNAME: &str = "/etc/hostname";

/// The whole ruleset; `eyot-firewall.service` loads it at boot.
pub const FIREWALL: &str = "/etc/eyot/firewall.nft";
/// A ruleset being tried.
pub const FIREWALL_CANDIDATE: &str = "/run/eyot/firewall-candidate.nft";
/// The ruleset to go back to.
pub const FIREWALL_BEFORE: &str = "/run/eyot/firewall-before.nft";
/// Rules on trial, with the way back.
pub const FIREWALL_TRIAL: &str = "/run/eyot/firewall-trial.json";
/// Rules that were taken back, so that they are not tried again by themselves.
pub const FIREWALL_REFUSED: &str = "/run/eyot/firewall-refused.json";
/// The networks of Azure service tags.
pub const SERVICE_TAGS: &str = "/var/lib/eyot/service-tags.json";
/// What each allowed destination stood for when that was last known.
pub const DESTINATIONS: &str = "/var/lib/eyot/destinations.json";
/// Which adapter did what when management last worked.
pub const ROLES: &str = "/var/lib/eyot/roles.json";

/// The sensor's configuration; its unit starts only when this exists.
pub const SENSOR_CONFIG: &str = "/etc/eyot/sensor.toml";
/// The proxy's password, for the sensor.
pub const SENSOR_PROXY_PASSWORD: &str = "/etc/eyot/proxy-password";
/// The client certificate for the proxy, for the sensor.
pub const SENSOR_PROXY_CERTIFICATE: &str = "/etc/eyot/proxy-certificate.pem";
/// Its key.
pub const SENSOR_PROXY_KEY: &str = "/etc/eyot/proxy-key.pem";
/// The operator's additional CAs, for the sensor.
pub const SENSOR_EXTRA_CA: &str = "/etc/eyot/extra-ca.pem";
/// The symmetric key of the enrolment at Azure, for the sensor.
pub const SENSOR_AZURE_KEY: &str = "/etc/eyot/azure-key";
/// The connection string of the event hub, for the sensor.
pub const SENSOR_EVENT_HUB: &str = "/etc/eyot/azure-event-hub";
/// Where the sensor puts files to carry to the portal.
pub const SENSOR_BUNDLES: &str = "/var/lib/eyot-sensor/bundles";
/// The names at Azure that its own services told of, as the firewall has to let them through.
pub const AZURE_NAMES: &str = "/var/lib/eyot/azure.json";
/// What the sensor has learnt.
pub const SENSOR_STATE_DIR: &str = "/var/lib/eyot-sensor";
/// The sensor's own account of itself.
pub const SENSOR_STATUS: &str = "/run/eyot-sensor/status.json";

/// The proxy, for apt.
pub const APT_PROXY: &str = "/etc/apt/apt.conf.d/95eyot-proxy";

/// Volatile state.
pub const RUN_DIR: &str = "/run/eyot";
/// The latest health report.
pub const HEALTH: &str = "/run/eyot/health.json";
/// Text above the console's login prompt.
pub const BANNER: &str = "/run/eyot/console.issue";
/// Where agetty looks for it; a link to [`BANNER`], so that the disk is not written each minute.
pub const BANNER_LINK: &str = "/etc/issue.d/eyot.issue";
/// Where the local page is reached, for the console: with the set-up code, so for root alone.
pub const PAGE_NOTICE: &str = "/run/eyot/page.issue";
/// Where agetty looks for it.
pub const PAGE_NOTICE_LINK: &str = "/etc/issue.d/eyot.page.issue";
/// Held while an activation is under way.
pub const ACTIVATION_LOCK: &str = "/run/eyot/activation.lock";

/// Where cloud-init keeps copies of the seed.
pub const CLOUD_INIT_COPIES: [&str; 2] = ["/var/lib/cloud", "/run/cloud-init"];
/// Its logs, which can quote what it could not read.
pub const CLOUD_INIT_LOGS: [&str; 2] = ["/var/log/cloud-init.log", "/var/log/cloud-init-output.log"];
/// There when cloud-init runs in this boot (its generator makes it).
pub const CLOUD_INIT_ENABLED: &str = "/run/cloud-init/enabled";
/// Written by cloud-init's last stage.
pub const CLOUD_INIT_RESULT: &str = "/run/cloud-init/result.json";

/// The UUID that the hypervisor gave the machine; root alone reads it.
pub const DMI_UUID: &str = "/sys/class/dmi/id/product_uuid";
/// The system's own id, made at its first boot.
pub const MACHINE_ID: &str = "/etc/machine-id";
/// The VM generation id, where the hypervisor shows it (QEMU).
pub const GENERATION_ID: &str = "/sys/firmware/qemu_fw_cfg/by_name/etc/vmgenid_guid/raw";

/// Who made the machine, as its firmware says.
pub const DMI_VENDOR: &str = "/sys/class/dmi/id/sys_vendor";
/// The firmware's table of structures, which holds the OEM strings; root alone reads it.
pub const DMI_TABLE: &str = "/sys/firmware/dmi/tables/DMI";
/// Key-value pairs that a Hyper-V host reads; `hv_kvp_daemon` hands them over.
pub const KVP_POOL_TO_HOST: &str = "/var/lib/hyperv/.kvp_pool_1";
/// Key-value pairs that a Hyper-V host gave; `hv_kvp_daemon` keeps them.
pub const KVP_POOL: &str = "/var/lib/hyperv/.kvp_pool_0";

//! Every address the portal answers to, in one table.
//!
//! Three kinds of visitor: sensors (client certificate), programs (`/api/v1`; API token or session) and people (session).

use axum::http::Method;
use axum::routing::MethodFilter;
use eyot_contract::path;

use crate::api::{self, metrics::METRICS};
use crate::pages;
use crate::route::{Route, Who};

/// Largest health report, in bytes: a machine with hundreds of interfaces stays below.
const MAX_HEALTH_BODY: usize = 256 * 1024;
/// Largest device batch, in bytes: [`eyot_contract::MAX_BATCH_DEVICES`] records of 16 KiB each.
const MAX_BATCH_BODY: usize = eyot_contract::MAX_BATCH_DEVICES * 16 * 1024;
/// Largest list of managed endpoints or of threats, in bytes: some half a million rows.
const MAX_LIST_BODY: usize = 32 * 1024 * 1024;

/// Largest settings for sensors, in bytes: a thousand subnets and a name for every VLAN.
const MAX_SETTINGS_BODY: usize = 1024 * 1024;

macro_rules! methods {
    ($($name:ident = $method:ident;)+) => {$(
        fn $name<H, T>(who: Who, path: &'static str, handler: H) -> Route
        where
            H: axum::handler::Handler<T, std::sync::Arc<crate::portal::Portal>>,
            T: 'static,
        {
            Route::new(Method::$method, MethodFilter::$method, path, who, handler)
        }
    )+};
}

methods! {
    get = GET;
    post = POST;
    put = PUT;
    patch = PATCH;
    delete = DELETE;
}

/// The table.
pub fn routes() -> Vec<Route> {
    machines().into_iter().chain(programs()).chain(people()).collect()
}

fn machines() -> Vec<Route> {
    use Who::{Anybody, Sensor, Viewer};
    vec![
        get(Anybody, path::ALIVE, api::alive),
        get(Viewer, METRICS, api::metrics::show),
        post(Anybody, path::ENROL, api::enrol),
        post(Sensor, path::RENEW, api::renew),
        post(Sensor, path::THREATS, api::threats::part),
        post(Sensor, path::SETTINGS, api::remote::ask),
        post(Sensor, path::SOFTWARE, api::software::ask),
        get(Sensor, "/api/v1/sensor/software/{file}", api::software::fetch),
        post(Sensor, path::DEVICES, api::devices::take).up_to(MAX_BATCH_BODY),
        post(Sensor, path::HEALTH, api::health).up_to(MAX_HEALTH_BODY),
        get(Anybody, "/install", api::install::script),
        get(Anybody, "/install/{file}", api::install::package),
    ]
}

fn programs() -> Vec<Route> {
    [
        sensors(),
        devices(),
        plans(),
        findings(),
        vulnerabilities(),
        threats(),
        settings(),
        software(),
        access(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn sensors() -> Vec<Route> {
    use api::sensors::{self as at, Edit, IssuedView, OneSensor, Registration, Reissue, Sensors};
    use Who::{Changer, Viewer};
    vec![
        get(Viewer, "/api/v1/sensors", at::list).gives::<Sensors>("List the sensors"),
        post(Changer, "/api/v1/sensors", at::register)
            .makes::<IssuedView>("Register a sensor; its token is shown once")
            .taking::<Registration>(),
        get(Viewer, "/api/v1/sensors/{id}", at::one).gives::<OneSensor>("One sensor with its health report"),
        patch(Changer, "/api/v1/sensors/{id}", at::edit)
            .does("Rename a sensor, move it to another zone or subscription")
            .taking::<Edit>(),
        delete(Changer, "/api/v1/sensors/{id}", at::delete).does("Delete a sensor; its certificate is void"),
        post(Changer, "/api/v1/sensors/{id}/activation", at::reissue)
            .gives::<IssuedView>("Create a new activation command; the older one stops working")
            .perhaps_taking::<Reissue>(),
        get(Viewer, "/api/v1/zones", at::zones).gives::<at::Zones>("List the zones"),
    ]
}

fn devices() -> Vec<Route> {
    use api::decisions::{self as decide, Change, Counted, Retention, Which};
    use api::devices::{self as at, Asked, Devices, OneDevice};
    use api::merges as merge;
    use Who::{Changer, Viewer};
    vec![
        get(Viewer, "/api/v1/devices", at::list)
            .gives::<Devices>("List devices: by page and column, or all of them by cursor")
            .asking::<Asked>(),
        patch(Changer, "/api/v1/devices", decide::edit)
            .gives::<Counted>("Decide about devices: names, types, tags, whether they may be here")
            .taking::<Change>(),
        delete(Changer, "/api/v1/devices", decide::delete)
            .gives::<Counted>("Delete devices")
            .taking::<Which>(),
        get(Viewer, "/api/v1/devices/{id}", at::one)
            .gives::<OneDevice>("One device with its evidence and what each sensor says"),
        get(Viewer, "/api/v1/devices/{id}/timeline", merge::timeline)
            .gives::<merge::Timeline>("What happened to a device, newest first"),
        get(Viewer, "/api/v1/devices/{id}/peers", api::peers::list)
            .gives::<Vec<api::peers::PeerView>>("Whom a device sends to, the most bytes first"),
        get(Viewer, "/api/v1/devices/{id}/merged", merge::merged)
            .gives::<Vec<merge::AbsorbedView>>("What was merged into a device"),
        post(Changer, "/api/v1/devices/merge", merge::merge)
            .gives::<merge::MergeMade>("Merge two to ten devices of one zone into one")
            .taking::<merge::Merge>(),
        delete(Changer, "/api/v1/merges/{id}", merge::undo)
            .gives::<merge::Undone>("Undo a merge: each device stands by itself again"),
        get(Viewer, "/api/v1/views", api::views::list).gives::<Vec<api::views::ViewView>>(
            "The saved views of the inventory: one's own and shared ones",
        ),
        post(Viewer, "/api/v1/views", api::views::keep)
            .makes::<api::views::Kept>("Save a view; one's own of the same name is replaced")
            .taking::<api::views::Wanted>(),
        delete(Viewer, "/api/v1/views/{id}", api::views::remove).does("Remove a view"),
        get(Viewer, "/api/v1/retention", decide::retention)
            .gives::<Retention>("How long unseen devices are kept"),
        put(Changer, "/api/v1/retention", decide::set_retention)
            .does("Set how long unseen devices are kept")
            .taking::<Retention>(),
    ]
}

fn plans() -> Vec<Route> {
    use api::plans::{self as at, Managed, NewPlan, Subscriptions};
    use Who::{Pricer, Viewer};
    vec![
        get(Viewer, "/api/v1/plans", at::list)
            .gives::<Subscriptions>("Subscriptions with their plans and committed devices"),
        post(Pricer, "/api/v1/plans", at::add).makes_it("Add a plan").taking::<NewPlan>(),
        delete(Pricer, "/api/v1/plans/{subscription}", at::cancel).does("Cancel a subscription's plan"),
        put(Pricer, "/api/v1/managed-endpoints", at::replace_managed)
            .up_to(MAX_LIST_BODY)
            .gives::<Managed>("Replace the list of managed endpoints by this CSV or JSON")
            .taking_text(),
    ]
}

fn findings() -> Vec<Route> {
    use api::findings::{self as at, Asked, FindingView, Findings, NewSuppression, RecommendationView};
    use api::findings::{Suppressed, SuppressionView, Work, Worked};
    use Who::{Changer, Viewer};
    vec![
        get(Viewer, "/api/v1/findings", at::list)
            .gives::<Findings>(
                "List alerts and recommendations: worst first by page, or all of them by cursor",
            )
            .asking::<Asked>(),
        patch(Changer, "/api/v1/findings", at::work)
            .gives::<Worked>("Set status or note of findings")
            .taking::<Work>(),
        get(Viewer, "/api/v1/findings/{id}", at::one).gives::<FindingView>("One finding"),
        get(Viewer, "/api/v1/recommendations", at::recommendations)
            .gives::<Vec<RecommendationView>>("How recommendations are followed"),
        get(Viewer, "/api/v1/suppressions", at::suppressions)
            .gives::<Vec<SuppressionView>>("List the suppression rules"),
        post(Changer, "/api/v1/suppressions", at::suppress)
            .makes::<Suppressed>("Add a suppression rule")
            .taking::<NewSuppression>(),
        delete(Changer, "/api/v1/suppressions/{id}", at::unsuppress).does("Remove a suppression rule"),
    ]
}

fn vulnerabilities() -> Vec<Route> {
    use api::vulnerabilities::{self as at, Asked, DeviceCve, Imported, OneVulnerability, Vulnerabilities};
    use Who::{Changer, Viewer};
    vec![
        get(Viewer, "/api/v1/vulnerabilities", at::list)
            .gives::<Vulnerabilities>("List the vulnerabilities that devices have")
            .asking::<Asked>(),
        post(Changer, "/api/v1/vulnerabilities", at::upload)
            .up_to(at::MAX_UPLOAD)
            .gives::<Imported>(
                "Import NVD's CVE list (JSON 2.0) or CISA's exploited ones (JSON, CSV), also as gzip",
            )
            .taking_bytes(),
        get(Viewer, "/api/v1/vulnerabilities/{cve}", at::one)
            .gives::<OneVulnerability>("One vulnerability, and what has it"),
        get(Viewer, "/api/v1/devices/{id}/vulnerabilities", at::of_device)
            .gives::<Vec<DeviceCve>>("The vulnerabilities of a device, the most urgent first"),
    ]
}

fn threats() -> Vec<Route> {
    use api::threats::{self as at, Kept, Lists, Switch};
    use Who::{Changer, Viewer};
    vec![
        get(Viewer, "/api/v1/threat-lists", at::list)
            .gives::<Lists>("Threat lists, and which version each sensor has"),
        put(Changer, "/api/v1/threat-lists/{name}", at::put)
            .up_to(MAX_LIST_BODY)
            .gives::<Kept>("Upload a threat list, plain or STIX 2.1")
            .taking_text(),
        patch(Changer, "/api/v1/threat-lists/{name}", at::switch)
            .does("Turn a threat list on or off")
            .taking::<Switch>(),
        delete(Changer, "/api/v1/threat-lists/{name}", at::remove).does("Remove a threat list"),
    ]
}

fn settings() -> Vec<Route> {
    use api::remote::{self as at, Settings, Wanted};
    use Who::{Changer, Viewer};
    vec![
        get(Viewer, "/api/v1/settings", at::list)
            .gives::<Settings>("Settings for sensors, and which of them each sensor has"),
        put(Changer, "/api/v1/settings/{scope}/{target}", at::put)
            .up_to(MAX_SETTINGS_BODY)
            .does("Set what holds at a site, a zone or a sensor, in the place of what did")
            .taking::<Wanted>(),
    ]
}

fn software() -> Vec<Route> {
    use api::software::{self as at, Kept, Software, Upload, Wanted};
    use Who::{Changer, Viewer};
    vec![
        get(Viewer, "/api/v1/software", at::list)
            .gives::<Software>("Software for sensors, what zones are to have, and how far each sensor is"),
        post(Changer, "/api/v1/software", at::upload)
            .up_to(at::MAX_UPLOAD)
            .makes::<Kept>("Upload a package with its signature")
            .taking_form::<Upload>(),
        delete(Changer, "/api/v1/software/{file}", at::remove).does("Remove a package"),
        put(Changer, "/api/v1/rollouts/{zone}", at::roll_out)
            .does("Roll a version out to a zone")
            .taking::<Wanted>(),
        post(Changer, "/api/v1/rollouts/{zone}/back", at::roll_back)
            .does("Roll a zone back to the version before"),
        delete(Changer, "/api/v1/rollouts/{zone}", at::end).does("Leave a zone's sensors as they are"),
    ]
}

fn access() -> Vec<Route> {
    use api::access::{self as at, Accounts, NewAccount, NewPassword, TokenMade, TokenWanted, Tokens};
    use Who::{Admitter, Person, Viewer};
    vec![
        get(Admitter, "/api/v1/users", at::users).gives::<Accounts>("List the accounts"),
        post(Admitter, "/api/v1/users", at::add_user).makes_it("Add an account").taking::<NewAccount>(),
        delete(Admitter, "/api/v1/users/{name}", at::remove_user)
            .does("Remove an account, its sessions and its tokens"),
        put(Admitter, "/api/v1/users/{name}/password", at::set_password)
            .does("Give an account another password; it is signed out everywhere")
            .taking::<NewPassword>(),
        get(Viewer, "/api/v1/api-tokens", at::tokens)
            .gives::<Tokens>("List one's own API tokens; owners see all"),
        post(Person, "/api/v1/api-tokens", at::make_token)
            .makes::<TokenMade>("Make an API token; it is shown once")
            .taking::<TokenWanted>(),
        delete(Viewer, "/api/v1/api-tokens/{name}", at::delete_token)
            .does("Delete an API token; it stops working at once"),
        get(Viewer, "/api/v1/audit", api::audit::list)
            .gives::<api::audit::Entries>("Who changed what, newest first")
            .asking::<api::audit::Asked>(),
        get(Viewer, "/api/v1/openapi.json", api::openapi::show)
            .gives::<serde_json::Map<String, serde_json::Value>>("This document"),
    ]
}

fn people() -> Vec<Route> {
    use Who::{Anybody, Changer, Pricer, Viewer};
    vec![
        get(Viewer, "/", pages::first),
        get(Anybody, "/login", pages::login::show),
        post(Anybody, "/login", pages::login::sign_in),
        post(Anybody, "/logout", pages::login::sign_out),
        #[cfg(feature = "oidc")]
        get(Anybody, "/login/oidc", pages::oidc::begin),
        #[cfg(feature = "oidc")]
        get(Anybody, "/login/oidc/callback", pages::oidc::end),
        get(Anybody, "/setup", pages::login::show_setup),
        post(Anybody, "/setup", pages::login::set_up),
        get(Viewer, "/getting-started", pages::getting_started::show),
        post(Changer, "/getting-started", pages::getting_started::register),
        post(Changer, "/getting-started/seed", pages::getting_started::seed),
        get(Viewer, "/sensors", pages::sensors::list),
        get(Viewer, "/sensors/{id}", pages::sensors::one),
        post(Changer, "/sensors/{id}/edit", pages::sensors::edit),
        post(Changer, "/sensors/{id}/activation", pages::sensors::reissue),
        get(Changer, "/sensors/{id}/delete", pages::sensors::confirm_deletion),
        post(Changer, "/sensors/{id}/delete", pages::sensors::delete),
        get(Viewer, "/devices", pages::inventory::list),
        get(Viewer, "/devices.csv", pages::export::csv),
        get(Viewer, "/devices.json", pages::export::json),
        post(Viewer, "/devices/views", pages::views::keep),
        post(Viewer, "/devices/views/change", pages::views::change),
        get(Changer, "/devices/merge", pages::merges::confirm),
        post(Changer, "/devices/merge", pages::merges::merge),
        post(Changer, "/devices/merges/{id}/undo", pages::merges::undo),
        post(Changer, "/devices/change", pages::decisions::change),
        post(Viewer, "/devices/columns", pages::inventory::choose_columns),
        get(Viewer, "/devices/{id}", pages::device::one),
        get(Viewer, "/devices/{id}/timeline", pages::timeline::show),
        get(Viewer, "/devices/{id}/map", pages::map::show),
        get(Viewer, "/alerts", pages::findings::alerts),
        post(Changer, "/alerts/work", pages::findings::work),
        get(Viewer, "/alerts/suppressions", pages::findings::suppressions),
        post(Changer, "/alerts/suppressions", pages::findings::suppress),
        post(Changer, "/alerts/suppressions/remove", pages::findings::unsuppress),
        get(Viewer, "/alerts/{id}", pages::findings::one),
        get(Viewer, "/recommendations", pages::findings::recommendations),
        get(Viewer, "/vulnerabilities", pages::vulnerabilities::list),
        post(Changer, "/vulnerabilities", pages::vulnerabilities::upload)
            .up_to(api::vulnerabilities::MAX_UPLOAD),
        get(Viewer, "/vulnerabilities/{cve}", pages::vulnerabilities::one),
        get(Viewer, "/threats", pages::threats::show),
        post(Changer, "/threats", pages::threats::upload).up_to(MAX_LIST_BODY),
        post(Changer, "/threats/change", pages::threats::change),
        get(Viewer, "/settings", pages::remote::show),
        post(Changer, "/settings", pages::remote::change).up_to(MAX_SETTINGS_BODY),
        get(Viewer, "/software", pages::software::show),
        post(Changer, "/software", pages::software::upload).up_to(api::software::MAX_UPLOAD),
        post(Changer, "/software/change", pages::software::change),
        get(Viewer, "/plans", pages::plans::show),
        post(Pricer, "/plans", pages::plans::add),
        post(Pricer, "/plans/cancel", pages::plans::cancel),
        post(Pricer, "/plans/managed", pages::plans::import).up_to(MAX_LIST_BODY),
        get(Viewer, "/bundles", pages::bundles::show),
        post(Changer, "/bundles", pages::bundles::upload).up_to(pages::bundles::MAX_UPLOAD),
        get(Viewer, "/audit", pages::audit::list),
        get(Anybody, "/assets/{name}", pages::assets::one),
    ]
}

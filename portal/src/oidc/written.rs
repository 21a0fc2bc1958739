//! The provider as the configuration file has it.
//!
//! ```toml
//! [oidc]
//! issuer = "https://login.example/realms/office"
//! client_id = "eyot"
//! client_secret_file = "/etc/eyot/oidc-secret"   # left out: a public client, by PKCE alone
//! role_claim = "groups"
//! roles = { owner = ["eyot-owners"], security_reader = ["staff"] }
//! ```

use std::collections::BTreeMap;
use std::path::PathBuf;

use hyper::Uri;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::rules::role::Role;

/// Scopes that are asked for unless it is said otherwise.
const SCOPES: [&str; 3] = ["openid", "profile", "email"];
/// Where the account's name is.
const NAME_CLAIM: &str = "preferred_username";
/// Where roles are.
const ROLE_CLAIM: &str = "groups";

/// A provider, as written.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Written {
    issuer: String,
    client_id: String,
    client_secret_file: Option<PathBuf>,
    title: Option<String>,
    scopes: Option<Vec<String>>,
    name_claim: Option<String>,
    role_claim: Option<String>,
    roles: BTreeMap<String, Vec<String>>,
    ca: Option<PathBuf>,
    proxy: Option<String>,
}

/// A provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Its name for itself; everything else is found below it.
    pub issuer: String,
    /// Our name there.
    pub client_id: String,
    /// File whose first line is our secret there.
    pub client_secret_file: Option<PathBuf>,
    /// What the sign-in page calls it.
    pub title: String,
    /// What is asked for, blanks between.
    pub scopes: String,
    /// Claim with the account's name.
    pub name_claim: String,
    /// Claim with what roles are read from, with dots between its steps.
    pub role_claim: String,
    /// Roles and the values that give them, the strongest first.
    pub roles: Vec<(Role, Vec<String>)>,
    /// CA of its certificate, PEM, instead of the system's.
    pub ca: Option<PathBuf>,
    /// `http://host:port` of a proxy to go through.
    pub proxy: Option<String>,
}

impl Written {
    /// Decides what is left open.
    ///
    /// # Errors
    /// What cannot be used.
    pub fn mean(self) -> Result<Settings, String> {
        let uri: Option<Uri> = self.issuer.parse().ok();
        let sound = uri.is_some_and(|uri| uri.scheme_str() == Some("https") && uri.query().is_none());
        if !sound {
            return Err(format!(
                "issuer: \"{}\" is not an address such as https://login.example",
                self.issuer
            ));
        }
        if self.client_id.is_empty() {
            return Err("client_id: the portal's name at the provider is missing".to_owned());
        }
        let mut roles = Vec::new();
        for role in Role::ALL {
            if let Some(values) = self.roles.get(role.name()) {
                roles.push((*role, values.clone()));
            }
        }
        if let Some(other) = self.roles.keys().find(|name| name.parse::<Role>().is_err()) {
            return Err(format!("roles: {}", other.parse::<Role>().err().unwrap_or_default()));
        }
        if roles.iter().all(|(_, values)| values.is_empty()) {
            return Err(
                "roles: nobody could sign in; say which values of the claim give which role".to_owned()
            );
        }
        let mut scopes = self.scopes.unwrap_or_else(|| SCOPES.map(str::to_owned).to_vec());
        if !scopes.iter().any(|scope| scope == "openid") {
            scopes.insert(0, "openid".to_owned());
        }
        Ok(Settings {
            title: self.title.unwrap_or_else(|| "your organisation's account".to_owned()),
            issuer: self.issuer,
            client_id: self.client_id,
            client_secret_file: self.client_secret_file,
            scopes: scopes.join(" "),
            name_claim: self.name_claim.unwrap_or_else(|| NAME_CLAIM.to_owned()),
            role_claim: self.role_claim.unwrap_or_else(|| ROLE_CLAIM.to_owned()),
            roles,
            ca: self.ca,
            proxy: self.proxy,
        })
    }
}

impl Settings {
    /// The strongest role that these claims give.
    pub fn role(&self, claims: &Map<String, Value>) -> Option<Role> {
        let mut steps = self.role_claim.split('.');
        let mut value = claims.get(steps.next()?)?;
        for step in steps {
            value = value.get(step)?;
        }
        let has = |wanted: &String| match value {
            Value::String(one) => one == wanted,
            Value::Array(list) => list.iter().any(|one| one.as_str() == Some(wanted)),
            _ => false,
        };
        self.roles.iter().find(|(_, values)| values.iter().any(has)).map(|(role, _)| *role)
    }

    /// The account's name that these claims give.
    pub fn name(&self, claims: &Map<String, Value>) -> Option<String> {
        claims.get(&self.name_claim).and_then(Value::as_str).map(str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn mean(text: &str) -> Result<Settings, String> {
        toml::from_str::<Written>(text).map_err(|e| e.to_string()).and_then(Written::mean)
    }

    #[test]
    fn what_nobody_could_use_is_named() {
        for (text, expected) in [
            ("issuer = \"http://x\"\nclient_id = \"e\"\nroles = { owner = [\"a\"] }", "issuer: \"http://x\""),
            ("issuer = \"https://x\"\nclient_id = \"\"\nroles = { owner = [\"a\"] }", "client_id"),
            (
                "issuer = \"https://x\"\nclient_id = \"e\"\nroles = { king = [\"a\"] }",
                "\"king\" is not a role",
            ),
            ("issuer = \"https://x\"\nclient_id = \"e\"\nroles = {}", "nobody could sign in"),
            ("issuer = \"https://x\"\nclient_id = \"e\"\nroles = {}\ncolour = 1", "unknown field `colour`"),
        ] {
            let said = mean(text).unwrap_err();
            assert!(said.contains(expected), "{text}: {said}");
        }
    }

    #[test]
    fn the_strongest_role_that_is_given_holds_and_none_is_none() {
        let settings = mean(
            "issuer = \"https://x\"\nclient_id = \"e\"\nrole_claim = \"realm.roles\"\n\
             roles = { security_reader = [\"staff\"], owner = [\"boss\"] }",
        )
        .unwrap();
        let role = |claims: Value| settings.role(claims.as_object().unwrap());
        assert_eq!(role(json!({ "realm": { "roles": ["staff", "boss"] } })), Some(Role::Owner));
        assert_eq!(role(json!({ "realm": { "roles": "staff" } })), Some(Role::SecurityReader));
        assert_eq!(role(json!({ "realm": { "roles": ["other"] } })), None);
        assert_eq!(role(json!({ "realm": { "roles": { "boss": true } } })), None);
        assert_eq!(role(json!({ "roles": ["boss"] })), None);
        assert_eq!(settings.scopes, "openid profile email");
    }
}

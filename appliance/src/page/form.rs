//! The form: one field for each setting that the contract defines, and back from what a browser sends to a layer of settings.
//!
//! A layer holds only what differs from what holds anyway, so that later changes elsewhere are not frozen by a form that
//! somebody sent once. What a stronger source decides cannot be changed here and is shown so. Secrets are never put into a
//! page: an empty secret leaves what there is.

use eyot_contract::settings::{Definition, Kind, Layer, DEFINITIONS};
use eyot_contract::MAX_TOKEN_CHARS;

use crate::datasource::PAGE;
use crate::settings::Gathered;

const TOKEN: &str = "activation.token";
/// How every token begins; what a pasted command is searched for.
const TOKEN_BEGINS: &str = "eyot1_";
/// Beside a secret: take away what there is.
const REMOVE: &str = "remove_";
/// Fields of the form that are no settings.
const BESIDES: [&str; 3] = ["csrf", "check", "anyway"];

/// What a browser sent, in its order.
pub struct Submitted(Vec<(String, String)>);

/// A body that no form of ours can have sent.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Not `application/x-www-form-urlencoded`.
    #[error("the form is damaged")]
    Encoding,
    /// A field that the form does not have.
    #[error("the form has a field that is not known here")]
    Field,
}

impl Submitted {
    /// Decodes `application/x-www-form-urlencoded`.
    ///
    /// # Errors
    /// Broken escapes, text that is not UTF-8.
    pub fn parse(body: &[u8]) -> Result<Self, Malformed> {
        let pairs = body.split(|b| *b == b'&').filter(|p| !p.is_empty()).map(|pair| {
            let end = pair.iter().position(|b| *b == b'=').unwrap_or(pair.len());
            Ok((decode(&pair[..end])?, decode(pair.get(end + 1..).unwrap_or_default())?))
        });
        pairs.collect::<Result<_, _>>().map(Self)
    }

    /// The last value of a field.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    fn all<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s str> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, v)| v.trim()).filter(|v| !v.is_empty())
    }
}

fn decode(text: &[u8]) -> Result<String, Malformed> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || rest.next().and_then(|b| char::from(*b).to_digit(16));
                let (high, low) = (digit().ok_or(Malformed::Encoding)?, digit().ok_or(Malformed::Encoding)?);
                // two hexadecimal digits fit a byte
                (high * 16 + low) as u8
            }
            other => *other,
        });
    }
    String::from_utf8(bytes).map_err(|_| Malformed::Encoding)
}

/// One field as it is shown.
pub struct Field {
    /// The setting.
    pub definition: &'static Definition,
    /// What is in it; nothing for a secret.
    pub value: String,
    /// Whether a secret is there.
    pub given: bool,
    /// Who decided it, where that is somebody stronger than this page.
    pub decided_by: Option<String>,
}

/// The settings that the page offers. The management network belongs to the machine's owner where it is not an appliance.
pub fn offered(owns_network: bool) -> impl Iterator<Item = &'static Definition> {
    DEFINITIONS.iter().filter(move |d| owns_network || !is_network(d))
}

/// Whether a setting decides where the machine is reached.
pub fn is_network(definition: &Definition) -> bool {
    definition.category == "Management" && !["management.ssh", "management.page"].contains(&definition.key)
}

/// The fields by category, in the order of the definitions.
pub fn fields(gathered: &Gathered, draft: &Layer, owns_network: bool) -> Vec<(&'static str, Vec<Field>)> {
    let mut groups: Vec<(&'static str, Vec<Field>)> = Vec::new();
    for definition in offered(owns_network) {
        let stronger = stronger(gathered, definition);
        let value = match (&stronger, draft.values.get(definition.key)) {
            (Some((_, value)), _) => value.clone(),
            (None, Some(value)) => value.clone(),
            (None, None) => weaker(gathered, definition),
        };
        let secret = definition.is_secret();
        let field = Field {
            definition,
            given: secret && !value.is_empty(),
            value: if secret { String::new() } else { value },
            decided_by: stronger.map(|(origin, _)| origin),
        };
        match groups.iter_mut().find(|(category, _)| *category == definition.category) {
            Some((_, fields)) => fields.push(field),
            None => groups.push((definition.category, vec![field])),
        }
    }
    groups
}

/// The draft with what was sent.
///
/// # Errors
/// A field that the form does not have.
pub fn take(
    draft: &Layer,
    sent: &Submitted,
    gathered: &Gathered,
    owns_network: bool,
) -> Result<Layer, Malformed> {
    let known = |name: &str| {
        let bare = name.strip_prefix(REMOVE).unwrap_or(name);
        BESIDES.contains(&name) || offered(owns_network).any(|d| d.property_key() == bare)
    };
    if !sent.0.iter().all(|(name, _)| known(name)) {
        return Err(Malformed::Field);
    }
    let mut next = draft.clone();
    for definition in offered(owns_network).filter(|d| stronger(gathered, d).is_none()) {
        let name = definition.property_key();
        let text = match definition.kind {
            // boxes to tick and a line for the rest
            Kind::Interfaces => sent.all(&name).collect::<Vec<_>>().join(","),
            _ => sent.get(&name).unwrap_or_default().replace("\r\n", "\n").trim().to_owned(),
        };
        let remove = sent.get(&format!("{REMOVE}{name}")).is_some();
        if definition.is_secret() && text.is_empty() && !remove || sent.get(&name).is_none() {
            continue;
        }
        let text = if definition.key == TOKEN { token_in(&text).to_owned() } else { text };
        // without anything in the layer this holds
        if text == weaker(gathered, definition) {
            next.values.remove(definition.key);
        } else {
            next.values.insert(definition.key, text);
        }
    }
    Ok(next)
}

/// The token of a pasted activation command, or the text as it is.
fn token_in(text: &str) -> &str {
    let Some(start) = text.find(TOKEN_BEGINS) else { return text };
    let rest = &text[start..];
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-');
    // longer than any token is a mistake of another kind, and told so by the token's own check
    &rest[..end.unwrap_or(rest.len()).min(2 * MAX_TOKEN_CHARS)]
}

fn rank(gathered: &Gathered, definition: &Definition, stronger: bool) -> Option<(String, String)> {
    let place = |source| crate::datasource::PRECEDENCE.iter().position(|s| *s == source);
    let mut layers = gathered.layers.iter().filter(|(source, _)| {
        if stronger {
            place(*source) < place(PAGE)
        } else {
            place(*source) > place(PAGE)
        }
    });
    layers.find_map(|(_, l)| Some((l.origin.clone(), l.values.get(definition.key)?.trim().to_owned())))
}

fn stronger(gathered: &Gathered, definition: &Definition) -> Option<(String, String)> {
    rank(gathered, definition, true)
}

fn weaker(gathered: &Gathered, definition: &Definition) -> String {
    rank(gathered, definition, false).map_or(definition.default.to_owned(), |(_, value)| value)
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::host::double::Double;
    use crate::host::{Access, Host};
    use crate::paths;
    use crate::settings::gather;

    /// What a browser sends for these.
    pub(crate) fn encoded(pairs: &[(&str, &str)]) -> String {
        let escaped = |text: &str| -> String {
            text.bytes()
                .map(|b| match b {
                    b' ' => "+".to_owned(),
                    b if b.is_ascii_alphanumeric() => char::from(b).to_string(),
                    b => format!("%{b:02x}"),
                })
                .collect()
        };
        let pairs = pairs.iter().map(|(k, v)| format!("{}={}", escaped(k), escaped(v)));
        pairs.collect::<Vec<_>>().join("&")
    }

    /// Fills in the form, sends it and keeps what came of it, as the page does.
    pub(crate) fn fill_in(host: &Double, said: &[(&str, &str)]) {
        let gathered = gather(host);
        let names: Vec<(String, &str)> =
            said.iter().map(|(k, v)| (definition(k).property_key(), *v)).collect();
        let body = encoded(&names.iter().map(|(k, v)| (k.as_str(), *v)).collect::<Vec<_>>());
        let sent = Submitted::parse(body.as_bytes()).unwrap();
        let layer = take(&Layer::new(paths::PAGE_SETTINGS), &sent, &gathered, true).unwrap();
        host.write(paths::PAGE_SETTINGS, layer.to_toml().as_bytes(), Access::Root).unwrap();
    }

    fn definition(key: &str) -> &'static Definition {
        eyot_contract::settings::definition(key).unwrap()
    }

    fn sent(pairs: &[(&str, &str)]) -> Submitted {
        Submitted::parse(encoded(pairs).as_bytes()).unwrap()
    }

    #[test]
    fn every_setting_has_its_field_and_no_secret_is_in_one() {
        let host = Double::default();
        host.put(
            paths::LOCAL_SETTINGS,
            "version = 1\n[proxy]\nurl = \"http://p:1\"\nusername = \"u\"\npassword = \"s3cret\"\n",
        );
        let mut draft = Layer::new("x");
        draft.set(TOKEN, "eyot1_s3cret").unwrap();
        let groups = fields(&gather(&host), &draft, true);
        let all: Vec<&Field> = groups.iter().flat_map(|(_, f)| f).collect();
        assert_eq!(all.len(), DEFINITIONS.len());
        assert!(all.iter().all(|f| !f.value.contains("s3cret")));
        let field = |key: &str| *all.iter().find(|f| f.definition.key == key).unwrap();
        assert!(field(TOKEN).given && field("proxy.password").given);
        assert_eq!(field("proxy.url").decided_by.as_deref(), Some(paths::LOCAL_SETTINGS));
        let somebodys_server = fields(&gather(&host), &draft, false);
        let offered: Vec<&str> =
            somebodys_server.iter().flat_map(|(_, f)| f).map(|f| f.definition.key).collect();
        assert!(!offered.contains(&"management.mode") && offered.contains(&"management.ssh"), "{offered:?}");
    }

    #[test]
    fn only_what_differs_is_kept_and_an_empty_field_takes_a_seeds_word_back() {
        let host = Double::default();
        host.put(
            paths::SEED_SETTINGS,
            "version = 1\n[proxy]\nurl = \"http://p:1\"\n[time]\nservers = \"ntp.example\"\n",
        );
        let gathered = gather(&host);
        let none = Layer::new(paths::PAGE_SETTINGS);
        let body = sent(&[("proxy_url", ""), ("time_servers", "ntp.example"), ("management_mode", "dhcp")]);
        let layer = take(&none, &body, &gathered, true).unwrap();
        assert_eq!(layer.values.into_iter().collect::<Vec<_>>(), [("proxy.url", String::new())]);
    }

    #[test]
    fn what_the_operator_wrote_stays() {
        let host = Double::default();
        host.put(paths::LOCAL_SETTINGS, "version = 1\n[host]\nname = \"one\"\n");
        let layer = take(&Layer::new("x"), &sent(&[("host_name", "two")]), &gather(&host), true).unwrap();
        assert!(layer.values.is_empty());
    }

    #[test]
    fn an_empty_secret_stays_and_a_ticked_box_takes_it_away() {
        let gathered = gather(&Double::default());
        let mut draft = Layer::new("x");
        draft.set("proxy.password", "s3cret").unwrap();
        let kept = take(&draft, &sent(&[("proxy_password", "")]), &gathered, true).unwrap();
        assert_eq!(kept, draft);
        let gone =
            take(&draft, &sent(&[("proxy_password", ""), ("remove_proxy_password", "on")]), &gathered, true);
        assert!(gone.unwrap().values.is_empty());
    }

    #[test]
    fn adapters_are_ticked_or_written() {
        let body = sent(&[
            ("capture_interfaces", "mac:02:00:00:00:00:01"),
            ("capture_interfaces", "name:ens192"),
            ("capture_interfaces", " "),
        ]);
        let layer = take(&Layer::new("x"), &body, &gather(&Double::default()), true).unwrap();
        assert_eq!(layer.values["capture.interfaces"], "mac:02:00:00:00:00:01,name:ens192");
    }

    #[test]
    fn a_token_is_found_in_the_command_it_came_with() {
        for (text, token) in [
            (
                "curl -fsSk https://p/install | sudo sh -s -- --token 'eyot1_Ab-_9' --proxy http://p:1",
                "eyot1_Ab-_9",
            ),
            (" eyot1_Ab", "eyot1_Ab"),
            ("something else", "something else"),
        ] {
            assert_eq!(token_in(text), token);
        }
    }

    #[test]
    fn bodies_that_no_browser_sends_are_refused() {
        for body in [&b"a=%4"[..], b"a=%zz", b"a=%ff", b"%=x"] {
            assert!(matches!(Submitted::parse(body), Err(Malformed::Encoding)), "{body:?}");
        }
        for name in ["host_nom", "remove_", "/etc/passwd"] {
            let sent = sent(&[(name, "x")]);
            let taken = take(&Layer::new("x"), &sent, &gather(&Double::default()), true);
            assert_eq!(taken, Err(Malformed::Field), "{name}");
        }
    }
}

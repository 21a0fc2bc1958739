//! Signing in with an OpenID provider: OpenID Connect Core 1.0, authorization code flow (§3.1), with PKCE (RFC 7636),
//! state and nonce. Who comes that way has an account whose role is the provider's word at each sign-in; local accounts
//! stay what they are.
//!
//! What the provider says of itself (OpenID Connect Discovery 1.0) and its keys are read when they are needed and kept
//! for a while; a token of an unknown key has them read anew, at most once a minute.

mod token;
mod written;

use std::time::{Duration, Instant};

use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use base64::Engine;
use eyot_client::{Client, ClientError, Reply, Trust, SYSTEM_ROOTS};
use eyot_contract::settings::Proxy;
use hyper::Uri;
use jsonwebtoken::jwk::JwkSet;
use ring::digest::{digest, SHA256};
use serde::de::DeserializeOwned;
use serde::Deserialize;
use tokio::sync::Mutex;

use crate::pages::link::{encode, with_query};
use crate::rules::role::Role;
use crate::secret::{self, NoRandomness};

pub use token::TokenError;
pub use written::{Settings, Written};

/// Where the provider sends people back to.
pub const CALLBACK: &str = "/login/oidc/callback";
/// How long what the provider says of itself is used.
const FRESH: Duration = Duration::from_secs(600);
/// Shortest time between two looks at its keys.
const KEYS_AGAIN: Duration = Duration::from_secs(60);
/// How long the provider may take to answer.
const ANSWER: Duration = Duration::from_secs(10);

/// Why somebody could not sign in.
#[derive(Debug, thiserror::Error)]
pub enum OidcError {
    /// A file that is named in the settings.
    #[error("oidc: {path} cannot be read")]
    File {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The provider cannot be reached.
    #[error("the provider cannot be asked at {at}")]
    Client {
        /// Where.
        at: String,
        /// Why.
        #[source]
        source: ClientError,
    },
    /// It answers something else than it should.
    #[error("the provider's answer at {at} is not usable: {reason}")]
    Answer {
        /// Where.
        at: String,
        /// Why.
        reason: String,
    },
    /// The token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The token gives no name or no role.
    #[error("the provider's token gives no {0}")]
    Claim(&'static str),
    /// No random bytes.
    #[error(transparent)]
    Randomness(#[from] NoRandomness),
}

/// A sign-in that has begun.
pub struct Begun {
    /// Where to send the person.
    pub address: String,
    /// What comes back with them.
    pub state: String,
    /// What the token must repeat.
    pub nonce: String,
    /// What proves that the code was asked for here.
    pub verifier: String,
}

/// Who signed in.
#[derive(Debug, PartialEq, Eq)]
pub struct Person {
    /// The provider's name for them, with the provider's own in front: never given to somebody else.
    pub subject: String,
    /// What the account is to be called.
    pub name: String,
    /// What they may do.
    pub role: Role,
}

/// The provider.
pub struct Provider {
    /// As configured.
    pub settings: Settings,
    /// Our own address for those who come back.
    redirect: String,
    known: Mutex<Option<Known>>,
}

struct Known {
    at: Instant,
    document: Document,
    keys: JwkSet,
    keys_at: Instant,
}

/// What of the discovery document is used (OpenID Connect Discovery 1.0 §3).
#[derive(Clone, Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
}

/// The token endpoint's answer; what else is in it is not used.
#[derive(Deserialize)]
struct Tokens {
    id_token: String,
}

impl Provider {
    /// For a portal at this address.
    pub fn new(settings: Settings, portal: &str) -> Self {
        let redirect = format!("{}{CALLBACK}", portal.trim_end_matches('/'));
        Self { settings, redirect, known: Mutex::new(None) }
    }

    /// Begins a sign-in.
    ///
    /// # Errors
    /// The provider cannot be asked about itself.
    pub async fn begin(&self) -> Result<Begun, OidcError> {
        let document = self.document().await?;
        let (state, nonce, verifier) = (secret::new_text()?, secret::new_text()?, secret::new_text()?);
        let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
        let query = with_query(
            "",
            [
                ("response_type", "code".to_owned()),
                ("client_id", self.settings.client_id.clone()),
                ("redirect_uri", self.redirect.clone()),
                ("scope", self.settings.scopes.clone()),
                ("state", state.clone()),
                ("nonce", nonce.clone()),
                ("code_challenge", challenge),
                ("code_challenge_method", "S256".to_owned()),
            ],
        );
        let endpoint = &document.authorization_endpoint;
        // an endpoint may have a question of its own
        let address = match endpoint.contains('?') {
            true => format!("{endpoint}&{}", query.trim_start_matches('?')),
            false => format!("{endpoint}{query}"),
        };
        Ok(Begun { address, state, nonce, verifier })
    }

    /// Ends a sign-in: changes the code for a token and believes it or not.
    ///
    /// # Errors
    /// [`OidcError`].
    pub async fn end(&self, code: &str, verifier: &str, nonce: &str) -> Result<Person, OidcError> {
        let document = self.document().await?;
        let token = self.exchange(&document.token_endpoint, code, verifier).await?;
        let expected =
            token::Expected { issuer: &self.settings.issuer, client_id: &self.settings.client_id, nonce };
        let claims = match token::verify(&token, &self.keys(false).await?, &expected) {
            Err(TokenError::Key) => token::verify(&token, &self.keys(true).await?, &expected)?,
            verdict => verdict?,
        };
        let subject = claims.get("sub").and_then(|sub| sub.as_str()).filter(|sub| !sub.is_empty());
        let subject = subject.ok_or(OidcError::Claim("subject"))?;
        Ok(Person {
            subject: format!("{} {subject}", self.settings.issuer),
            name: self.settings.name(&claims).ok_or(OidcError::Claim("name"))?,
            role: self.settings.role(&claims).ok_or(OidcError::Claim("role here"))?,
        })
    }

    async fn exchange(&self, at: &str, code: &str, verifier: &str) -> Result<String, OidcError> {
        let id = encode(&self.settings.client_id);
        let mut body = format!(
            "grant_type=authorization_code&code={}&redirect_uri={}&code_verifier={}",
            encode(code),
            encode(&self.redirect),
            encode(verifier)
        );
        let mut headers =
            vec![("content-type", "application/x-www-form-urlencoded"), ("accept", "application/json")];
        let basic;
        match &self.settings.client_secret_file {
            Some(path) => {
                let text = read(path)?;
                let secret = encode(text.lines().next().unwrap_or_default());
                // RFC 6749 §2.3.1: both are form-encoded first
                basic = format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")));
                headers.push(("authorization", basic.as_str()));
            }
            None => body.push_str(&format!("&client_id={id}")),
        }
        let tokens: Tokens = answer(at, self.send("POST", at, &headers, body.into_bytes()).await?)?;
        Ok(tokens.id_token)
    }

    async fn document(&self) -> Result<Document, OidcError> {
        let mut known = self.known.lock().await;
        if let Some(known) = known.as_ref().filter(|known| known.at.elapsed() < FRESH) {
            return Ok(known.document.clone());
        }
        let at = format!("{}/.well-known/openid-configuration", self.settings.issuer.trim_end_matches('/'));
        let document: Document = answer(&at, self.get(&at).await?)?;
        if document.issuer != self.settings.issuer {
            let reason = format!("it is about the issuer \"{}\"", document.issuer);
            return Err(OidcError::Answer { at, reason });
        }
        let keys = answer(&document.jwks_uri, self.get(&document.jwks_uri).await?)?;
        let now = Instant::now();
        *known = Some(Known { at: now, document: document.clone(), keys, keys_at: now });
        Ok(document)
    }

    /// The provider's keys; `anew` if those that are known do not fit.
    async fn keys(&self, anew: bool) -> Result<JwkSet, OidcError> {
        let mut known = self.known.lock().await;
        let Some(known) = known.as_mut() else { return Err(TokenError::Key.into()) };
        if anew && known.keys_at.elapsed() >= KEYS_AGAIN {
            known.keys = answer(&known.document.jwks_uri, self.get(&known.document.jwks_uri).await?)?;
            known.keys_at = Instant::now();
        }
        Ok(known.keys.clone())
    }

    async fn get(&self, at: &str) -> Result<Reply, OidcError> {
        self.send("GET", at, &[("accept", "application/json")], Vec::new()).await
    }

    async fn send(
        &self,
        method: &str,
        at: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Result<Reply, OidcError> {
        let unusable = |reason: &str| OidcError::Answer { at: at.to_owned(), reason: reason.to_owned() };
        let uri: Uri = at.parse().map_err(|_| unusable("this is no address"))?;
        let (Some("https"), Some(host)) = (uri.scheme_str(), uri.authority()) else {
            return Err(unusable("it is not https://"));
        };
        let trust = match &self.settings.ca {
            Some(path) => Trust::CaPem(read(path)?),
            None => Trust::Roots(read(SYSTEM_ROOTS.as_ref())?),
        };
        let proxy = self.settings.proxy.clone();
        let proxy = proxy.map(|url| Proxy { url, credentials: None, identity: None, exceptions: Vec::new() });
        let failed = |source| OidcError::Client { at: at.to_owned(), source };
        let client = Client::builder(format!("https://{host}")).trust(trust).proxy(proxy).timeout(ANSWER);
        let client = client.build().map_err(failed)?;
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        client.send(method, target, headers, body).await.map_err(failed)
    }
}

/// Reads an answer; a refusal's own words stay out, since they may repeat what was sent.
fn answer<T: DeserializeOwned>(at: &str, reply: Reply) -> Result<T, OidcError> {
    let unusable = |reason: String| OidcError::Answer { at: at.to_owned(), reason };
    if reply.status != 200 {
        return Err(unusable(format!("its status is {}", reply.status)));
    }
    serde_json::from_slice(&reply.body)
        .map_err(|e| unusable(format!("line {}, column {}: not what was expected", e.line(), e.column())))
}

fn read(path: &std::path::Path) -> Result<String, OidcError> {
    std::fs::read_to_string(path)
        .map_err(|source| OidcError::File { path: path.display().to_string(), source })
}

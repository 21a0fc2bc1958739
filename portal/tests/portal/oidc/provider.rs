//! An OpenID provider in a process of its own: discovery, keys, authorization with PKCE, tokens signed with RS256 and
//! ES256. It does everything a client may rely on, and lies in the ways it is asked to.
//!
//! The process is this test's own program, called for one "test" that serves until it is killed.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use axum::extract::{Form, Query, State};
use axum::http::{header, HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use base64::Engine;
use eyot_contract::Timestamp;
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use ring::rand::SystemRandom;
use ring::signature::{
    EcdsaKeyPair, KeyPair as _, RsaKeyPair, ECDSA_P256_SHA256_FIXED_SIGNING, RSA_PKCS1_SHA256,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{json, Value};
use tower::Service;

/// Tells the child process to serve: the folder with its certificates.
const SERVE: &str = "EYOT_TEST_OPENID_PROVIDER";
pub const CLIENT: &str = "eyot";
pub const SECRET: &str = "a secret: with/marks";

/// The running provider. It ends when dropped.
pub struct Provider {
    child: Child,
    pub at: SocketAddr,
}

impl Provider {
    /// Starts one whose CA is `ca.pem` in this folder.
    pub fn start(folder: &Path) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let leaf =
            CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &ca).unwrap();
        std::fs::write(folder.join("ca.pem"), ca.pem()).unwrap();
        std::fs::write(folder.join("server.pem"), leaf.pem()).unwrap();
        std::fs::write(folder.join("server.key"), key.serialize_pem()).unwrap();
        let made = Command::new("openssl")
            .args(["genpkey", "-quiet", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"])
            .arg("-out")
            .arg(folder.join("rsa.pem"))
            .status()
            .unwrap();
        assert!(made.success());
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "oidc::provider::serve", "--nocapture"])
            .env(SERVE, folder)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let at =
            lines.find_map(|line| line.split_once("provider at ").map(|(_, at)| at.trim().parse().unwrap()));
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, at: at.expect("the provider says where it is") }
    }

    pub fn issuer(&self) -> String {
        format!("https://localhost:{}", self.at.port())
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Not a test of its own: serves when it is called as a child, and does nothing otherwise.
#[tokio::test]
async fn serve() {
    let Ok(folder) = std::env::var(SERVE) else { return };
    let folder = Path::new(&folder);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let certificate = CertificateDer::from_pem_file(folder.join("server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.join("server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let op = Arc::new(Op::new(folder, at));
    let router = Router::new()
        .route("/.well-known/openid-configuration", get(discovery))
        .route("/keys", get(keys))
        .route("/authorize", get(authorize))
        .route("/token", post(token))
        .with_state(op);
    println!("provider at {at}");
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (acceptor, router) = (acceptor.clone(), router.clone());
        tokio::spawn(async move {
            // a client that goes away is no matter
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let answer = hyper::service::service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
                router.clone().call(request)
            });
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), answer)
                .await;
        });
    }
}

/// What somebody was let in for.
struct Grant {
    challenge: String,
    redirect: String,
    nonce: String,
    who: String,
    lie: String,
}

struct Op {
    issuer: String,
    rsa: RsaKeyPair,
    ec: EcdsaKeyPair,
    stranger: EcdsaKeyPair,
    random: SystemRandom,
    grants: Mutex<HashMap<String, Grant>>,
}

impl Op {
    fn new(folder: &Path, at: SocketAddr) -> Self {
        let random = SystemRandom::new();
        let ec = || {
            let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap()
        };
        let rsa = PrivatePkcs8KeyDer::from_pem_file(folder.join("rsa.pem")).unwrap();
        Self {
            issuer: format!("https://localhost:{}", at.port()),
            rsa: RsaKeyPair::from_pkcs8(rsa.secret_pkcs8_der()).unwrap(),
            ec: ec(),
            stranger: ec(),
            random,
            grants: Mutex::default(),
        }
    }

    fn modulus(&self) -> ring::rsa::PublicKeyComponents<Vec<u8>> {
        ring::rsa::PublicKeyComponents::from(self.rsa.public())
    }

    /// A token about somebody, with the lie that was asked for.
    fn token(&self, grant: &Grant) -> String {
        let now = Timestamp::now().seconds();
        let lie = grant.lie.as_str();
        let groups = match grant.who.as_str() {
            "boss" => json!(["staff", "eyot-owners"]),
            "guest" => json!([]),
            _ => json!(["staff"]),
        };
        let mut claims = json!({
            "iss": self.issuer, "aud": CLIENT, "sub": format!("id of {}", grant.who), "iat": now, "exp": now + 300,
            "nonce": grant.nonce, "preferred_username": grant.who, "groups": groups,
        });
        match lie {
            "wrong nonce" => claims["nonce"] = json!("another"),
            "no nonce" => claims["nonce"] = Value::Null,
            "wrong audience" => claims["aud"] = json!("another-client"),
            "for several" => claims["aud"] = json!([CLIENT, "another-client"]),
            "another party" => claims["azp"] = json!("another-client"),
            "expired" => claims["exp"] = json!(now - 120),
            "not yet valid" => claims["nbf"] = json!(now + 300),
            "wrong issuer" => claims["iss"] = json!("https://elsewhere.example"),
            "renamed" => claims["preferred_username"] = json!("../etc"),
            "promoted" => claims["groups"] = json!(["eyot-owners"]),
            _ => {}
        }
        let (algorithm, key) = match lie {
            "none" => ("none", "ec"),
            "None" => ("None", "ec"),
            "hs256" => ("HS256", "rsa"),
            "es256" => ("ES256", "ec"),
            "a stranger's key" => ("ES256", "ec"),
            "an unknown key" => ("ES256", "unheard-of"),
            "mismatch" => ("RS256", "ec"),
            _ => ("RS256", "rsa"),
        };
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let header = json!({ "alg": algorithm, "kid": key, "typ": "JWT" });
        let signed = format!("{}.{}", encode(&header), encode(&claims));
        let signature = match lie {
            "none" | "None" => Vec::new(),
            // the classic: the public key as if it were a shared one
            "hs256" => {
                let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &self.modulus().n);
                ring::hmac::sign(&key, signed.as_bytes()).as_ref().to_vec()
            }
            "es256" | "an unknown key" => {
                self.ec.sign(&self.random, signed.as_bytes()).unwrap().as_ref().to_vec()
            }
            "a stranger's key" => {
                self.stranger.sign(&self.random, signed.as_bytes()).unwrap().as_ref().to_vec()
            }
            _ => {
                let mut signature = vec![0; self.rsa.public().modulus_len()];
                self.rsa.sign(&RSA_PKCS1_SHA256, &self.random, signed.as_bytes(), &mut signature).unwrap();
                signature
            }
        };
        let mut token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(&signature));
        if lie == "changed" {
            claims["groups"] = json!(["eyot-owners"]);
            let rest = token.rsplit_once('.').unwrap().1.to_owned();
            token = format!("{}.{}.{rest}", encode(&header), encode(&claims));
        }
        token
    }
}

async fn discovery(State(op): State<Arc<Op>>) -> Json<Value> {
    let at = &op.issuer;
    Json(json!({
        "issuer": at, "authorization_endpoint": format!("{at}/authorize"), "token_endpoint": format!("{at}/token"),
        "jwks_uri": format!("{at}/keys"), "response_types_supported": ["code"], "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256", "ES256"],
    }))
}

async fn keys(State(op): State<Arc<Op>>) -> Json<Value> {
    let rsa = op.modulus();
    let point = op.ec.public_key().as_ref();
    let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    Json(json!({ "keys": [
        { "kty": "RSA", "use": "sig", "alg": "RS256", "kid": "rsa", "n": text(&rsa.n), "e": text(&rsa.e) },
        { "kty": "EC", "use": "sig", "crv": "P-256", "kid": "ec", "x": text(&point[1..33]), "y": text(&point[33..]) },
    ] }))
}

/// Lets in whoever the question names in `as`, for a token with the lie in `lie`.
async fn authorize(State(op): State<Arc<Op>>, Query(asked): Query<HashMap<String, String>>) -> Response {
    let get = |name: &str| asked.get(name).cloned().unwrap_or_default();
    let sound = get("response_type") == "code"
        && get("client_id") == CLIENT
        && get("code_challenge_method") == "S256"
        && get("scope").split(' ').any(|scope| scope == "openid")
        && !get("state").is_empty();
    if !sound {
        return (StatusCode::BAD_REQUEST, format!("{asked:?}")).into_response();
    }
    if get("lie") == "refused" {
        let to = format!("{}?error=access_denied&state={}", get("redirect_uri"), get("state"));
        return (StatusCode::FOUND, [(header::LOCATION, to)]).into_response();
    }
    let code = uuid::Uuid::new_v4().to_string();
    let grant = Grant {
        challenge: get("code_challenge"),
        redirect: get("redirect_uri"),
        nonce: get("nonce"),
        who: get("as"),
        lie: get("lie"),
    };
    let to = format!("{}?code={code}&state={}", grant.redirect, get("state"));
    op.grants.lock().unwrap().insert(code, grant);
    (StatusCode::FOUND, [(header::LOCATION, to)]).into_response()
}

async fn token(
    State(op): State<Arc<Op>>,
    headers: HeaderMap,
    Form(asked): Form<HashMap<String, String>>,
) -> Response {
    let get = |name: &str| asked.get(name).map_or("", String::as_str);
    let encode = |text: &str| -> String {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
        text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
    };
    let basic = format!("Basic {}", STANDARD.encode(format!("{}:{}", encode(CLIENT), encode(SECRET))));
    if headers.get(header::AUTHORIZATION).is_none_or(|given| given.as_bytes() != basic.as_bytes()) {
        return (StatusCode::UNAUTHORIZED, Json(json!({ "error": "invalid_client" }))).into_response();
    }
    let grant = op.grants.lock().unwrap().remove(get("code"));
    let challenge =
        URL_SAFE_NO_PAD.encode(ring::digest::digest(&ring::digest::SHA256, get("code_verifier").as_bytes()));
    let sound = |grant: &Grant| {
        get("grant_type") == "authorization_code"
            && grant.redirect == get("redirect_uri")
            && grant.challenge == challenge
    };
    let Some(grant) = grant.filter(sound) else {
        return (StatusCode::BAD_REQUEST, Json(json!({ "error": "invalid_grant" }))).into_response();
    };
    let answer = json!({ "access_token": "unused", "token_type": "Bearer", "id_token": op.token(&grant) });
    Json(answer).into_response()
}

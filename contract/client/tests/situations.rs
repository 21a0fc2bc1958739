//! What the client says in each situation a network can put it in: one row, one phrase, one condition.

#![allow(clippy::unwrap_used, missing_docs)]

mod double;

use std::sync::Arc;
use std::time::Duration;

use double::{Authority, Portal, ProxyDouble, ProxyManner, Script};
use eyot_client::{Client, ClientError, Trust};
use eyot_contract::settings::Proxy;
use eyot_contract::{path, CaPin, ConditionCode, RefusalCode};
use hyper::StatusCode;
use time::OffsetDateTime;

fn client(portal: &Portal) -> eyot_client::Builder {
    Client::builder(portal.url()).trust(Trust::Pin(portal.authority.pin())).timeout(Duration::from_secs(5))
}

fn proxy(url: String) -> Proxy {
    Proxy { url, credentials: None, identity: None, exceptions: Vec::new() }
}

fn says(error: &ClientError, condition: ConditionCode, words: &[&str]) {
    let text = error.to_string();
    assert_eq!(error.condition(), condition, "{text}");
    assert!(!text.contains('\n'), "more than one line: {text}");
    for word in words {
        assert!(text.contains(word), "\"{word}\" is not in: {text}");
    }
}

/// Whoever answers with another certificate gets one question, which says nothing about us.
fn only_asked_who_it_is(portal: &Portal) {
    let record = portal.record.lock().unwrap();
    assert!(record.requests.iter().all(|r| r == &format!("GET {}", path::ALIVE)), "{:?}", record.requests);
    assert_eq!(record.identities, 0, "no certificate of ours was shown");
}

#[tokio::test]
async fn a_pinned_portal_is_alive_and_its_clock_is_ours() {
    let portal = Portal::start(Script::default()).await;
    let alive = client(&portal).build().unwrap().alive().await.unwrap();
    assert!(alive.drift_seconds().abs() <= 2, "{alive:?}");
}

#[tokio::test]
async fn the_kept_ca_serves_as_well_as_the_pin() {
    let portal = Portal::start(Script::default()).await;
    let client = Client::builder(portal.url()).trust(Trust::CaPem(portal.authority.pem.clone()));
    client.build().unwrap().alive().await.unwrap();
}

#[tokio::test]
async fn connections_are_kept_between_requests() {
    let portal = Portal::start(Script::default()).await;
    let client = client(&portal).build().unwrap();
    for _ in 0..3 {
        client.alive().await.unwrap();
    }
    assert_eq!(portal.record.lock().unwrap().connections, 1);
}

#[tokio::test]
async fn p16_an_inspecting_proxy_is_named_and_gets_no_request() {
    let portal =
        Portal::start_as(Arc::new(Authority::new("Corporate Inspection CA")), Script::default()).await;
    let client = Client::builder(portal.url()).trust(Trust::Pin(CaPin([1; 32]))).build().unwrap();
    let error = client.alive().await.unwrap_err();
    assert!(matches!(error, ClientError::Inspected { .. }), "{error:?}");
    says(
        &error,
        ConditionCode::TlsInspected,
        &["Corporate Inspection CA", "exempt 127.0.0.1 from inspection"],
    );
    only_asked_who_it_is(&portal);
}

#[tokio::test]
async fn an_inspecting_proxy_let_in_by_the_operator_is_accepted() {
    let inspector = Arc::new(Authority::new("Corporate Inspection CA"));
    let portal = Portal::start_as(Arc::clone(&inspector), Script::default()).await;
    let client = Client::builder(portal.url())
        .trust(Trust::Pin(CaPin([1; 32])))
        .extra_ca(Some(inspector.pem.clone()))
        .build()
        .unwrap();
    client.alive().await.unwrap();
}

#[tokio::test]
async fn a_pinned_ca_that_did_not_sign_the_leaf_is_no_proof() {
    // an impostor can send the true CA's certificate along; it cannot sign with it
    let truth = Authority::new("Eyot portal CA double");
    let impostor = Authority::new("Impostor");
    let portal = Portal::start_as(
        Arc::new(Authority { issuer: impostor.issuer, pem: truth.pem.clone(), der: truth.der.clone() }),
        Script::default(),
    )
    .await;
    let client = Client::builder(portal.url()).trust(Trust::Pin(truth.pin())).build().unwrap();
    let error = client.alive().await.unwrap_err();
    says(&error, ConditionCode::EndpointTls, &["new token"]);
    only_asked_who_it_is(&portal);
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let portal = Portal::start(Script { names: vec!["elsewhere.example"], ..Script::default() }).await;
    let error = client(&portal).build().unwrap().alive().await.unwrap_err();
    says(&error, ConditionCode::EndpointTls, &["another name", "elsewhere.example"]);
}

#[tokio::test]
async fn a_clock_outside_the_certificate_is_measured_and_both_times_are_told() {
    // the portal lives ten years ahead: its certificate is not valid yet here
    let ahead = time::Duration::days(3650);
    let now = OffsetDateTime::now_utc();
    let portal = Portal::start(Script {
        valid: (now + ahead - time::Duration::days(1), now + ahead + time::Duration::days(30)),
        clock_offset: ahead.whole_seconds(),
        ..Script::default()
    })
    .await;
    let error = client(&portal).build().unwrap().alive().await.unwrap_err();
    let ClientError::ClockDrift { local, portal: theirs } = error else { panic!("{error:?}") };
    let drift = theirs.seconds() - local.seconds() - ahead.whole_seconds();
    assert!(drift.abs() <= 2, "{drift}");
    says(&error, ConditionCode::ClockDrift, &["clock is wrong", &local.to_string(), &theirs.to_string()]);
}

#[tokio::test]
async fn an_expired_certificate_is_not_blamed_on_the_clock() {
    let now = OffsetDateTime::now_utc();
    let portal = Portal::start(Script {
        valid: (now - time::Duration::days(30), now - time::Duration::days(1)),
        ..Script::default()
    })
    .await;
    let error = client(&portal).build().unwrap().alive().await.unwrap_err();
    says(&error, ConditionCode::EndpointTls, &["valid from", "renew it at the portal"]);
}

#[tokio::test]
async fn wrong_dates_do_not_open_the_door_to_another_name_or_another_ca() {
    let now = OffsetDateTime::now_utc();
    let valid = (now - time::Duration::days(30), now - time::Duration::days(1));
    let portal = Portal::start(Script { names: vec!["elsewhere.example"], valid, ..Script::default() }).await;
    let error = client(&portal).build().unwrap().alive().await.unwrap_err();
    says(&error, ConditionCode::EndpointTls, &["another name"]);
    let other = Client::builder(portal.url()).trust(Trust::Pin(CaPin([1; 32]))).build().unwrap();
    assert!(matches!(other.alive().await.unwrap_err(), ClientError::WrongPin { .. }));
    only_asked_who_it_is(&portal);
}

#[tokio::test]
async fn names_that_do_not_exist_closed_ports_and_silence_have_their_own_words() {
    let no_name = Client::builder("https://no-such-host.invalid").trust(Trust::Pin(CaPin([1; 32])));
    let error = no_name.build().unwrap().alive().await.unwrap_err();
    says(&error, ConditionCode::EndpointDns, &["no-such-host.invalid", "DNS servers"]);

    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let refused = Client::builder(format!("https://{closed}")).trust(Trust::Pin(CaPin([1; 32])));
    let error = refused.build().unwrap().alive().await.unwrap_err();
    says(&error, ConditionCode::EndpointUnreachable, &["refused", "allow TCP"]);

    let portal = Portal::start(Script { mute: true, ..Script::default() }).await;
    let error = client(&portal).timeout(Duration::from_secs(1)).build().unwrap().alive().await.unwrap_err();
    says(&error, ConditionCode::EndpointUnreachable, &["within 1 s"]);
}

#[tokio::test]
async fn answers_that_are_not_the_portals() {
    let portal = Portal::start(Script { status: Some(StatusCode::FOUND), ..Script::default() }).await;
    let error = client(&portal).build().unwrap().alive().await.unwrap_err();
    says(&error, ConditionCode::EndpointError, &["status 302", "address is the portal's"]);

    let portal = Portal::start(Script::default()).await;
    let error = client(&portal).build().unwrap().post_json::<_, u32>("/nowhere", &1).await.unwrap_err();
    says(&error, ConditionCode::EndpointError, &["/nowhere", "status 404"]);
}

#[tokio::test]
async fn refusals_carry_their_remedy() {
    let portal = Portal::start(Script::default()).await;
    // no client certificate
    let error = client(&portal).build().unwrap().post_json::<_, ()>(path::HEALTH, &1).await.unwrap_err();
    assert!(matches!(&error, ClientError::Refused(r) if r.code == RefusalCode::NotEnrolled));
    says(&error, ConditionCode::ActivationRefused, &["activate it again"]);
    assert!(!error.is_passing());
}

#[tokio::test]
async fn a_certificate_of_another_ca_is_turned_away() {
    let portal = Portal::start(Script::default()).await;
    let stranger = Authority::new("stranger");
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["x".to_owned()])
        .unwrap()
        .signed_by(&key, &stranger.issuer)
        .unwrap();
    let client = client(&portal).identity(certificate.pem(), key.serialize_pem()).build().unwrap();
    let error = client.alive().await.unwrap_err();
    assert!(matches!(error, ClientError::IdentityRefused { .. }), "{error:?}");
    says(&error, ConditionCode::ActivationRefused, &["new token"]);
    assert!(!format!("{client:?}").contains("PRIVATE"));
}

#[tokio::test]
async fn proxies() {
    let portal = Portal::start(Script::default()).await;
    let through =
        |proxy: Proxy| client(&portal).proxy(Some(proxy)).timeout(Duration::from_secs(2)).build().unwrap();

    let open = ProxyDouble::start(ProxyManner::Open).await;
    through(proxy(open.url())).alive().await.unwrap();
    assert_eq!(*open.seen.lock().unwrap(), [portal.address.to_string()]);

    // "user:pass:word" in base64
    let strict = ProxyDouble::start(ProxyManner::Basic("dXNlcjpwYXNzOndvcmQ=")).await;
    let with = |password: &str| Proxy {
        credentials: Some(("user".to_owned(), password.to_owned())),
        ..proxy(strict.url())
    };
    through(with("pass:word")).alive().await.unwrap();
    let error = through(with("s3cret")).alive().await.unwrap_err();
    says(
        &error,
        ConditionCode::ProxyAuthentication,
        &["refuses the user name and password", "proxy.password"],
    );
    assert!(!format!("{error} {error:?}").contains("s3cret"));
    let error = through(proxy(strict.url())).alive().await.unwrap_err();
    says(&error, ConditionCode::ProxyAuthentication, &["asks for a user name and password"]);

    let ntlm = ProxyDouble::start(ProxyManner::Only("NTLM")).await;
    let error = through(proxy(ntlm.url())).alive().await.unwrap_err();
    says(&error, ConditionCode::ProxyScheme, &["NTLM", "not supported"]);

    let shut = ProxyDouble::start(ProxyManner::Refuse(403)).await;
    let error = through(proxy(shut.url())).alive().await.unwrap_err();
    says(&error, ConditionCode::ProxyRefused, &["status 403", "allow CONNECT"]);

    let cut_off = ProxyDouble::start(ProxyManner::Refuse(503)).await;
    let error = through(proxy(cut_off.url())).alive().await.unwrap_err();
    says(&error, ConditionCode::EndpointUnreachable, &["cannot reach", "status 503", "check from there"]);

    let mute = ProxyDouble::start(ProxyManner::Mute).await;
    let error = through(proxy(mute.url())).alive().await.unwrap_err();
    says(&error, ConditionCode::ProxyUnreachable, &["no answer to CONNECT within 1 s"]);

    let nowhere = through(proxy("http://no-such-proxy.invalid:3128".to_owned()));
    let error = nowhere.alive().await.unwrap_err();
    says(&error, ConditionCode::ProxyUnreachable, &["no-such-proxy.invalid:3128", "cannot be resolved"]);

    // an exception goes past the proxy
    let past = Proxy { exceptions: vec!["127.0.0.0/8".to_owned()], ..proxy(shut.url()) };
    through(past).alive().await.unwrap();
}

#[tokio::test]
async fn a_login_page_in_the_portals_place_is_told_from_an_inspecting_proxy() {
    let guest = Portal::start_as(
        Arc::new(Authority::new("Hotel CA")),
        Script { redirect: Some("http://login.hotel.example/?from=portal"), ..Script::default() },
    )
    .await;
    let client = || Client::builder(guest.url()).trust(Trust::Pin(CaPin([1; 32]))).build().unwrap();
    let error = client().alive().await.unwrap_err();
    says(&error, ConditionCode::CaptivePortal, &["status 302 to http://login.hotel.example/"]);
    only_asked_who_it_is(&guest);

    for (answer, condition, words) in [
        ("302 Found\r\nLocation: http://login.example/", ConditionCode::CaptivePortal, "login.example"),
        ("200 OK\r\nContent-Type: text/html", ConditionCode::CaptivePortal, "status 200"),
        ("511 Log in", ConditionCode::CaptivePortal, "status 511"),
        ("404 Not here", ConditionCode::EndpointTls, "plain HTTP (status 404)"),
    ] {
        let plain = plain_http(answer).await;
        let client =
            Client::builder(format!("https://{plain}")).trust(Trust::Pin(CaPin([1; 32]))).build().unwrap();
        says(&client.alive().await.unwrap_err(), condition, &[words]);
    }
}

/// A server that answers everything it does not understand, TLS among it, with the same plain HTTP.
async fn plain_http(answer: &'static str) -> std::net::SocketAddr {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut some = [0; 2048];
            let _ = stream.read(&mut some).await;
            let text = format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            let _ = stream.write_all(text.as_bytes()).await;
        }
    });
    address
}

#[tokio::test]
async fn an_inspector_that_was_let_in_is_named_when_the_portal_does_not_know_us() {
    let inspector = Arc::new(Authority::new("Corporate Inspection CA"));
    let portal = Portal::start_as(Arc::clone(&inspector), Script::default()).await;
    let client = Client::builder(portal.url())
        .trust(Trust::Pin(CaPin([1; 32])))
        .extra_ca(Some(inspector.pem.clone()))
        .build()
        .unwrap();
    let alive = client.alive().await.unwrap();
    assert!(alive.admitted.unwrap().contains("Corporate Inspection CA"));
    // the certificate that would tell the portal who we are ended at the inspector
    let error = client.post_json::<_, ()>(path::HEALTH, &()).await.unwrap_err();
    says(&error, ConditionCode::TlsInspected, &["Corporate Inspection CA", "exempt"]);
}

#[tokio::test]
async fn a_wrong_clock_is_mentioned_beside_a_wrong_certificate() {
    let portal = Portal::start_as(
        Arc::new(Authority::new("Corporate Inspection CA")),
        Script { clock_offset: 86_400, ..Script::default() },
    )
    .await;
    let client = Client::builder(portal.url()).trust(Trust::Pin(CaPin([1; 32]))).build().unwrap();
    let error = client.alive().await.unwrap_err();
    says(&error, ConditionCode::TlsInspected, &["besides, this machine's clock is 86"]);
}

#[tokio::test]
async fn a_tls_proxy_with_and_without_its_ca_and_our_certificate() {
    let portal = Portal::start(Script::default()).await;
    let (ca, clients) = (Authority::new("Proxy CA"), Authority::new("Proxy clients"));
    let key = rcgen::KeyPair::generate().unwrap();
    let ours = rcgen::CertificateParams::new(vec!["eyot".to_owned()])
        .unwrap()
        .signed_by(&key, &clients.issuer)
        .unwrap();
    let through = |double: &ProxyDouble, ca: Option<&Authority>, identity| {
        let proxy = Proxy { identity, ..proxy(format!("https://{}", double.address)) };
        client(&portal).extra_ca(ca.map(|c| c.pem.clone())).proxy(Some(proxy)).build().unwrap()
    };
    let open = ProxyDouble::start_tls(ProxyManner::Open, &ca, None).await;
    through(&open, Some(&ca), None).alive().await.unwrap();
    let error = through(&open, None, None).alive().await.unwrap_err();
    says(&error, ConditionCode::ProxyTls, &["UnknownIssuer", "portal.ca"]);

    let strict = ProxyDouble::start_tls(ProxyManner::Open, &ca, Some(&clients)).await;
    let error = through(&strict, Some(&ca), None).alive().await.unwrap_err();
    says(&error, ConditionCode::ProxyAuthentication, &["client certificate", "proxy.certificate"]);
    let identity = Some((ours.pem(), key.serialize_pem()));
    through(&strict, Some(&ca), identity).alive().await.unwrap();
}

#[test]
fn wrong_material_is_named() {
    let errors = [
        Client::builder("http://portal").trust(Trust::Pin(CaPin([1; 32]))).build().unwrap_err(),
        Client::builder("https://portal/path").trust(Trust::Pin(CaPin([1; 32]))).build().unwrap_err(),
    ];
    for error in &errors {
        says(error, ConditionCode::SettingsInvalid, &["https://host[:port]"]);
    }
    let error =
        Client::builder("https://portal").trust(Trust::CaPem("nonsense".to_owned())).build().unwrap_err();
    says(&error, ConditionCode::SanityFailed, &["the portal's CA cannot be used"]);
    let error = Client::builder("https://portal")
        .trust(Trust::Pin(CaPin([1; 32])))
        .identity("x", "s3cret")
        .build()
        .unwrap_err();
    says(&error, ConditionCode::SanityFailed, &["certificate or key", "activate it again"]);
    assert!(!error.to_string().contains("s3cret"));
}

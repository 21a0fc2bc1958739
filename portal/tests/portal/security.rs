//! Every address of the portal against everybody who must not get through, by the table the router is made from, so that
//! none is forgotten. What is seen is kept as tables in docs/security.md; `EYOT_BLESS=1` writes them anew.

use eyot_contract::path;
use eyot_portal::{routes, Role, Route, Who};
use hyper::body::Bytes;
use hyper::Method;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, SigningKey,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::PrivateKeyDer;
use uuid::Uuid;

use crate::support::{by, device, enrolment, key_and_request, Client, House};

/// The page that keeps the tables.
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/security.md");

/// An address with something in its variable parts that is not there.
fn filled(route: &Route) -> String {
    let nobody = Uuid::nil().to_string();
    route
        .path
        .split('/')
        .map(|part| match part {
            "{id}" => nobody.clone(),
            part if part.starts_with('{') => "nothing".to_owned(),
            part => part.to_owned(),
        })
        .collect::<Vec<_>>()
        .join("/")
}

fn is_program(route: &Route) -> bool {
    route.path.starts_with("/api/") || route.path == "/metrics"
}

fn may(who: Who, role: Role) -> bool {
    match who {
        Who::Anybody | Who::Viewer => true,
        Who::Changer => role.may_change(),
        Who::Pricer => role.may_price(),
        Who::Admitter => role.may_admit(),
        Who::Sensor | Who::Person => false,
    }
}

/// Asks without a body: whoever may pass is told what is missing, and nothing is changed.
async fn ask(client: &Client, route: &Route) -> u16 {
    client.send(route.method.clone(), &filled(route), "", "").await.status.as_u16()
}

#[tokio::test]
async fn every_address_refuses_whom_it_must() {
    let house = House::open().await;
    let anybody = house.anybody();
    let sensor = house.sensor("one").await;
    let mut roles = Vec::new();
    for role in Role::ALL.iter().rev() {
        roles.push((*role, house.program(role.name()).await));
    }
    let mut table = String::from(
        "| Address | For | Nobody | Reader | Security admin | Contributor | Owner | A sensor |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for route in routes() {
        let name = format!("{} {}", route.method, route.path);
        let nobody = ask(&anybody, &route).await;
        match route.who {
            Who::Anybody => assert!(nobody != 401 && nobody != 403 || is_form(&route), "{name}: {nobody}"),
            Who::Sensor => assert_eq!(nobody, 401, "{name}"),
            _ if is_program(&route) => assert_eq!(nobody, 401, "{name}"),
            _ => assert_eq!(nobody, 303, "{name}"),
        }
        let mut cells = vec![format!("`{name}`"), route.who.name().to_owned(), nobody.to_string()];
        for (role, client) in &roles {
            let status = ask(client, &route).await;
            assert!(status < 500, "{name} as {role}: {status}");
            match may(route.who, *role) {
                true => assert!(
                    status != 401 && status != 403 || route.who == Who::Anybody,
                    "{name} as {role}: {status}"
                ),
                false if route.who == Who::Sensor => assert_eq!(status, 401, "{name} as {role}"),
                false => assert_eq!(status, 403, "{name} as {role}"),
            }
            cells.push(status.to_string());
        }
        // a sensor's certificate opens what is for sensors, and nothing else
        let status = ask(&sensor.client, &route).await;
        match route.who {
            Who::Sensor => {
                assert!(status < 500 && status != 401 && status != 403, "{name} as a sensor: {status}")
            }
            _ => assert_eq!(status, nobody, "{name} as a sensor"),
        }
        cells.push(status.to_string());
        table.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
    kept("roles", &table);
}

fn is_form(route: &Route) -> bool {
    route.method == Method::POST && !route.path.starts_with("/api/")
}

#[tokio::test]
async fn nothing_is_changed_from_another_site() {
    let house = House::open().await;
    let cookie = house.session("anna").await;
    let mut table =
        String::from("| Address | Another site (`Sec-Fetch-Site`) | Another origin |\n|---|---|---|\n");
    for route in routes().iter().filter(|r| r.method != Method::GET) {
        let mut cells = vec![format!("`{} {}`", route.method, route.path)];
        for (header, value) in [("sec-fetch-site", "cross-site"), ("origin", "https://elsewhere.example")] {
            let mut client = house.anybody();
            client.headers.insert("cookie", cookie.parse().unwrap());
            client.headers.insert(header, value.parse().unwrap());
            let status = ask(&client, route).await;
            assert_eq!(status, 403, "{} {} with {header}: {value}", route.method, route.path);
            cells.push(status.to_string());
        }
        table.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
    kept("other sites", &table);
    // and the same session does from the portal's own pages
    let mut client = house.anybody();
    client.headers.insert("cookie", cookie.parse().unwrap());
    client.headers.insert("origin", "https://localhost".parse().unwrap());
    let retention = serde_json::json!({ "days": 30 });
    let body = serde_json::to_vec(&retention).unwrap();
    let answer = client.send(Method::PUT, "/api/v1/retention", "application/json", body).await;
    assert_eq!(answer.status, 204, "{}", answer.text());
}

#[tokio::test]
async fn no_address_takes_more_than_its_limit() {
    let house = House::open().await;
    let owner = house.program("owner").await;
    let sensor = house.sensor("one").await;
    let cookie = house.session("anna").await;
    let mut person = house.anybody();
    person.headers.insert("cookie", cookie.parse().unwrap());
    let mut table = String::from("| Address | Limit (bytes) | One byte more |\n|---|---|---|\n");
    for route in routes()
        .iter()
        .filter(|r| r.method == Method::POST || r.method == Method::PUT || r.method == Method::PATCH)
    {
        let kind = match route.path {
            "/threats" | "/plans/managed" | "/bundles" | "/vulnerabilities" | "/software"
            | "/api/v1/software" => "multipart/form-data; boundary=x",
            path if !path.starts_with("/api/") => "application/x-www-form-urlencoded",
            _ => "application/json",
        };
        let client = match route.who {
            Who::Sensor => &sensor.client,
            Who::Person => &person,
            _ => &owner,
        };
        let mut body = Vec::new();
        if kind.starts_with("multipart") {
            let field = match route.path {
                "/bundles" => "bundle",
                "/vulnerabilities" => "file",
                _ => "list",
            };
            body.extend(
                format!("--x\r\nContent-Disposition: form-data; name=\"{field}\"; filename=\"a\"\r\n\r\n")
                    .bytes(),
            );
        }
        body.resize(route.limit + 1, b'x');
        let body = Bytes::from(body);
        let mut status = "cut off".to_owned();
        // who stops listening in the middle may cut the sender off before the answer is read: asked once more then
        for _ in 0..20 {
            if let Ok(answer) =
                client.try_send(route.method.clone(), &filled(route), kind, body.clone()).await
            {
                status = answer.status.as_u16().to_string();
                break;
            }
        }
        let fits = match route.path {
            // they read no body
            "/logout" => ["303"].contains(&status.as_str()),
            path if path.ends_with("/activation") && !path.starts_with("/api/") => true,
            path if path.ends_with("/undo") || path.ends_with("/delete") || path.ends_with("/back") => true,
            _ => ["413", "422", "400"].contains(&status.as_str()),
        };
        assert!(fits, "{} {}: {status}", route.method, route.path);
        table.push_str(&format!("| `{} {}` | {} | {status} |\n", route.method, route.path, route.limit));
    }
    kept("sizes", &table);
}

#[tokio::test]
async fn what_is_not_in_the_table_of_addresses() {
    let house = House::open().await;
    let mut rows = Vec::new();
    let sensor = house.sensor("one").await;
    let other = house.register("two").await;
    sensor.report_well(1, vec![device(1, "cam")]).await;

    for (what, certificate, key) in certificates(&house, sensor.id) {
        let client = Client::new(house.at, house.folder.path(), Some((&certificate, &key)));
        let batch = sensor.batch(9, Vec::new());
        let status = client.post_json(path::DEVICES, &batch).await.status;
        assert_eq!(status, 401, "{what}");
        rows.push((format!("a batch with {what}"), status.as_u16()));
    }
    let issuer = eyot_contract::ActivationToken::clone(&other.token.parse().unwrap());
    let mut mixed = enrolment(&other.token, &key_and_request().1);
    mixed.sensor = sensor.id;
    let status = house.anybody().post_json(path::ENROL, &mixed).await.status;
    assert_eq!(status, 403);
    rows.push(("one sensor's token used for another sensor".to_owned(), status.as_u16()));
    assert_eq!(issuer.sensor, other.sensor);

    house.store.delete_sensor(sensor.id, by()).await.unwrap();
    let status = sensor.report(2, vec![device(1, "cam")]).await.status;
    assert_eq!(status, 410);
    rows.push(("a batch with the certificate of a deleted sensor".to_owned(), status.as_u16()));

    let before = names(&house);
    let owner = house.program("owner").await;
    for (method, address) in [
        (Method::GET, "/install/..%2Fca.pem"),
        (Method::GET, "/install/..%2F..%2F..%2Fetc%2Fpasswd"),
        (Method::GET, "/assets/..%2Fca.pem"),
        (Method::GET, "/assets/%2Fetc%2Fpasswd"),
        (Method::PUT, "/api/v1/threat-lists/..%2F..%2Fx"),
        (Method::GET, "/devices/%00"),
    ] {
        let answer = owner.send(method.clone(), address, "text/plain", "203.0.113.9\n").await;
        let status = answer.status.as_u16();
        assert!([400, 404, 422].contains(&status), "{method} {address}: {status}");
        assert!(!answer.text().contains("BEGIN") && !answer.text().contains("root:"), "{address}");
        rows.push((format!("`{method} {address}`"), status));
    }
    let form = "--x\r\nContent-Disposition: form-data; name=\"bundle\"; filename=\"../../escaped\"\r\n\r\n{}\r\n--x--\r\n";
    let answer = owner.send(Method::POST, "/bundles", "multipart/form-data; boundary=x", form).await;
    assert_eq!(answer.status, 422, "{}", answer.text());
    rows.push(("a bundle named `../../escaped`".to_owned(), 422));
    assert_eq!(names(&house), before, "no file was made");
    assert!(
        !house.folder.path().join("../escaped").exists()
            && !house.folder.path().join("../../escaped").exists()
    );

    let mut liar = house.anybody();
    liar.headers.insert("authorization", "Bearer eyotapi_none".parse().unwrap());
    let cookie = house.session("anna").await;
    liar.headers.insert("cookie", cookie.parse().unwrap());
    let status = liar.get("/api/v1/sensors").await.status;
    assert_eq!(status, 401);
    rows.push(("a wrong API token beside a right session".to_owned(), status.as_u16()));

    let mut table = String::from("| What | Answer |\n|---|---|\n");
    for (what, status) in rows {
        table.push_str(&format!("| {what} | {status} |\n"));
    }
    kept("others", &table);
}

/// Names in the data folder; the database's own files come and go.
fn names(house: &House) -> Vec<String> {
    let entries = std::fs::read_dir(house.folder.path()).unwrap();
    let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| !name.starts_with("portal.db-"));
    names.sort();
    names
}

/// Certificates for a sensor that the portal did not issue, or that hold no more, with their keys.
fn certificates(house: &House, sensor: Uuid) -> Vec<(&'static str, String, String)> {
    use ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};
    let text = std::fs::read_to_string(house.folder.path().join("ca.pem")).unwrap();
    let key = KeyPair::try_from(&PrivateKeyDer::from_pem_slice(text.as_bytes()).unwrap()).unwrap();
    let ours = Issuer::from_ca_cert_pem(&text, key).unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let foreign = Issuer::new(params, KeyPair::generate().unwrap());
    vec![
        made("an expired certificate", &ours, 2021, ClientAuth, sensor),
        made("a certificate for servers", &ours, 2100, ServerAuth, sensor),
        made("a certificate the portal did not issue", &ours, 2100, ClientAuth, sensor),
        made("another CA's certificate", &foreign, 2100, ClientAuth, sensor),
    ]
}

fn made(
    what: &'static str,
    issuer: &Issuer<'static, impl SigningKey>,
    until: i32,
    usage: ExtendedKeyUsagePurpose,
    sensor: Uuid,
) -> (&'static str, String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, sensor.to_string());
    params.extended_key_usages = vec![usage];
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(until, 1, 1);
    (what, params.signed_by(&key, issuer).unwrap().pem(), key.serialize_pem())
}

/// Holds a table against the page, between its marks.
fn kept(name: &str, table: &str) {
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->"));
    // four tests write one page
    static TURN: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(|e| e.into_inner());
    let page = std::fs::read_to_string(PAGE).unwrap();
    let (before, rest) = page.split_once(&begin).unwrap_or_else(|| panic!("docs/security.md has no {begin}"));
    let (kept, after) = rest.split_once(&end).unwrap();
    if std::env::var_os("EYOT_BLESS").is_some() {
        std::fs::write(PAGE, format!("{before}{begin}{table}{end}{after}")).unwrap();
        return;
    }
    assert!(
        kept == table,
        "docs/security.md, {name}, is not what was seen; EYOT_BLESS=1 writes it anew:\n{table}"
    );
}

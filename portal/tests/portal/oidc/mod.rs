//! Signing in by way of an OpenID provider that is honest, and by way of one that lies.

mod provider;

use tempfile::TempDir;

use crate::process::Process;
use crate::support::{own_database, run, Answer, Client};
use provider::{Provider, CLIENT, SECRET};

struct Office {
    folder: TempDir,
    portal: Process,
    provider: Provider,
    _provider_folder: TempDir,
    at_provider: Client,
}

impl Office {
    async fn open() -> Self {
        let (folder, provider_folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        own_database(folder.path()).await;
        let provider = Provider::start(provider_folder.path());
        let secret = provider_folder.path().join("client-secret");
        std::fs::write(&secret, format!("{SECRET}\n")).unwrap();
        let config = folder.path().join("portal.toml");
        let text = format!(
            "[oidc]\nissuer = \"{}\"\nclient_id = \"{CLIENT}\"\nclient_secret_file = {secret:?}\ntitle = \"Office\"\n\
             ca = {:?}\nroles = {{ owner = [\"eyot-owners\"], security_reader = [\"staff\"] }}\n",
            provider.issuer(),
            provider_folder.path().join("ca.pem"),
        );
        std::fs::write(&config, text).unwrap();
        let portal = Process::start(folder.path(), &["--config", config.to_str().unwrap()], "");
        let at_provider = Client::new(provider.at, provider_folder.path(), None);
        let office = Self { folder, portal, provider, _provider_folder: provider_folder, at_provider };
        office.local_account("admin");
        office
    }

    fn local_account(&self, name: &str) {
        let password = self.folder.path().join("password-of-the-test");
        std::fs::write(&password, "a long enough password\n").unwrap();
        let (data, file) = (self.folder.path().to_str().unwrap(), password.to_str().unwrap());
        let made = run(&["user", "add", "--data", data, "--name", name, "--password-file", file]);
        assert!(made.status.success(), "{made:?}");
    }

    fn browser(&self) -> Client {
        Client::new(self.portal.at, self.folder.path(), None)
    }

    /// To the provider and back to the portal's door: the browser with its cookie, and the address it comes back to.
    async fn to_the_door(&self, who: &str, lie: &str) -> (Client, String) {
        let mut browser = self.browser();
        let begun = browser.get("/login/oidc?next=%2Fdevices%3Fq%3Da").await;
        assert_eq!(begun.status, 303, "{}", begun.text());
        assert!(begun.header("set-cookie").contains("SameSite=Lax"), "{:?}", begun.headers);
        browser.keep_cookie(&begun);
        let there = begun.header("location").strip_prefix(&self.provider.issuer()).unwrap().to_owned();
        let back = self.at_provider.get(&format!("{there}&as={who}&lie={}", lie.replace(' ', "%20"))).await;
        assert_eq!(back.status, 302, "{}", back.text());
        let back = back.header("location").strip_prefix("https://localhost").unwrap().to_owned();
        (browser, back)
    }

    async fn sign_in(&self, who: &str, lie: &str) -> Answer {
        let (browser, back) = self.to_the_door(who, lie).await;
        browser.get(&back).await
    }

    fn audit(&self) -> String {
        let data = self.folder.path().to_str().unwrap();
        String::from_utf8(run(&["audit", "--data", data]).stdout).unwrap()
    }
}

/// The session that an answer opens.
fn session(answer: &Answer) -> Option<String> {
    let cookies = answer.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap());
    let first = cookies.filter_map(|cookie| cookie.split(';').next());
    first.filter(|cookie| cookie.starts_with("__Host-eyot-session=")).map(str::to_owned).next()
}

#[tokio::test]
async fn people_come_by_way_of_the_provider_with_the_role_it_gives_them() {
    let office = Office::open().await;
    assert!(office.browser().get("/login").await.text().contains("Sign in with Office"));
    for (who, lie, role) in [("anna", "", "Security reader"), ("boss", "es256", "Owner")] {
        let answer = office.sign_in(who, lie).await;
        assert_eq!(answer.status, 200, "{who}: {}", answer.text());
        assert!(answer.text().contains("content=\"0;url=/devices?q=a\""), "{}", answer.text());
        let mut browser = office.browser();
        browser.headers.insert("cookie", session(&answer).unwrap().parse().unwrap());
        let page = browser.get("/devices").await;
        assert_eq!(page.status, 200);
        assert!(page.text().contains(who) && page.text().contains(role), "{who}");
        let deletion = browser.send(hyper::Method::GET, "/api/v1/users", "", "").await.status;
        assert_eq!(deletion, if who == "boss" { 200 } else { 403 }, "{who}");
    }
    // the role is the provider's word at each sign-in, under the account's first name
    assert_eq!(office.sign_in("anna", "promoted").await.status, 200);
    let audit = office.audit();
    assert!(audit.contains("Security reader → Owner"), "{audit}");
    assert_eq!(audit.matches("user.added").count() + audit.matches("Account added").count(), 3, "{audit}");
    // no password opens an account of the provider's
    for password in ["", "a long enough password"] {
        let form = [("name", "anna"), ("password", password)];
        assert_eq!(office.browser().post_form("/login", &form).await.status, 403);
    }
    let file = office.folder.path().join("password-of-the-test");
    let (data, file) = (office.folder.path().to_str().unwrap(), file.to_str().unwrap());
    let set = run(&["user", "password", "--data", data, "--name", "anna", "--password-file", file]);
    assert!(!set.status.success(), "and none can be set");
    // local accounts remain
    let form = [("name", "admin"), ("password", "a long enough password")];
    assert_eq!(office.browser().post_form("/login", &form).await.status, 303);
}

#[tokio::test]
async fn lies_let_nobody_in() {
    let office = Office::open().await;
    for lie in [
        "wrong nonce",
        "no nonce",
        "wrong audience",
        "for several",
        "another party",
        "expired",
        "not yet valid",
        "wrong issuer",
        "none",
        "None",
        "hs256",
        "a stranger's key",
        "an unknown key",
        "mismatch",
        "changed",
        "renamed",
        "refused",
    ] {
        let answer = office.sign_in("anna", lie).await;
        assert_eq!(answer.status, 403, "{lie}: {}", answer.text());
        assert_eq!(session(&answer), None, "{lie}");
    }
    let guest = office.sign_in("guest", "").await;
    assert_eq!(guest.status, 403);
    assert!(guest.text().contains("gives no role here"), "{}", guest.text());
    let taken = office.sign_in("admin", "").await;
    assert_eq!(taken.status, 403, "a local account is nobody else's");
    assert!(taken.text().contains("has your name"), "{}", taken.text());
    assert!(!office.audit().contains("anna"), "nothing was left behind");
}

#[tokio::test]
async fn a_sign_in_ends_once_and_only_in_the_browser_that_began_it() {
    let office = Office::open().await;
    let (browser, back) = office.to_the_door("anna", "").await;
    assert_eq!(office.browser().get(&back).await.status, 403, "another browser");
    let (other, _) = office.to_the_door("anna", "").await;
    assert_eq!(other.get(&back).await.status, 403, "another sign-in of another browser");
    let (_, query) = back.split_once('?').unwrap();
    let (_, state) = query.split_once("state=").unwrap();
    let forged = format!("/login/oidc/callback?code=made-up&state={state}");
    assert_eq!(browser.get(&back).await.status, 200);
    assert_eq!(browser.get(&back).await.status, 403, "it has ended");
    assert_eq!(browser.get(&forged).await.status, 403);
    let (browser, back) = office.to_the_door("anna", "").await;
    let (address, _) = back.split_once("code=").unwrap();
    let (_, state) = back.split_once("&state=").unwrap();
    let forged = browser.get(&format!("{address}code=made-up&state={state}")).await;
    assert_eq!(forged.status, 502, "the provider knows no such code");
    assert_eq!(browser.get("/login/oidc/callback").await.status, 403);
    let evil = office.browser().get("/login/oidc?next=https%3A%2F%2Fevil.example").await;
    assert_eq!(evil.status, 303, "where to go on to is judged at the end");
}

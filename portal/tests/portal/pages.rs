//! What the pages say, and that they ask nobody else for anything.

use eyot_contract::ConditionCode;

use crate::support::{device, Client, House, Sensor};

/// Markup must load nothing from elsewhere and hold neither style nor script of its own.
fn assert_self_contained(page: &str, html: &str) {
    for attribute in ["href", "src", "action", "srcset", "poster", "data"] {
        for rest in html.split(&format!(" {attribute}=\"")).skip(1) {
            let value = rest.split('"').next().unwrap();
            let local = (value.starts_with('/') && !value.starts_with("//")) || value.starts_with('#');
            assert!(local, "{page}: {attribute}=\"{value}\"");
        }
    }
    assert!(!html.contains(" style=") && !html.contains("<style"), "{page}: style in the markup");
    for script in html.split("<script").skip(1) {
        assert!(
            script.starts_with(" src=\"/assets/") && script.contains("></script>"),
            "{page}: script in the markup"
        );
    }
    let tags = html.split('<').skip(1).filter_map(|t| t.split('>').next());
    for tag in tags {
        let handler = |a: &str| a.starts_with("on") && a.contains('=');
        assert!(!tag.split_whitespace().skip(1).any(handler), "{page}: handler in <{tag}>");
    }
}

async fn page(client: &Client, path: &str) -> String {
    let answer = client.get(path).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    assert!(answer.header("content-type").starts_with("text/html"), "{path}");
    let html = answer.text();
    assert_self_contained(path, &html);
    html
}

fn field<'a>(html: &'a str, name: &str) -> &'a str {
    let at = html.find(&format!("name=\"{name}\" value=\"")).unwrap();
    html[at..].split('"').nth(3).unwrap()
}

#[tokio::test]
async fn registering_on_the_page_gives_command_token_and_seed() {
    let house = House::open().await;
    let client = house.program("contributor").await;
    let html = page(&client, "/getting-started").await;
    assert!(html.contains("Set up Enterprise IoT Security"));
    let refused = client.post_form("/getting-started", &[("name", " "), ("subscription", "main")]).await;
    assert_eq!(refused.status, 422);
    assert!(refused.text().contains("the sensor name is empty"));
    let done = client.post_form("/getting-started", &[("name", "Lobby 1"), ("subscription", "main")]).await;
    assert_eq!(done.status, 200);
    let html = done.text();
    assert_self_contained("registration", &html);
    assert!(html.contains("Sensor registration successful"));
    let token = field(&html, "token").to_owned();
    assert!(token.starts_with("eyot1_"));
    assert!(html.contains(&format!("sudo eyot-appliance activate --token-file - &lt;&lt;&lt; '{token}'")));

    let wrong = [("token", token.as_str()), ("management.mode", "static")];
    let answer = client.post_form("/getting-started/seed", &wrong).await;
    assert_eq!(answer.status, 422);
    assert!(answer.text().contains("an address with prefix is needed"), "{}", answer.text());
    assert_eq!(field(&answer.text(), "token"), token, "the token is not lost over a wrong setting");

    let right = [
        ("token", token.as_str()),
        ("management.mode", "static"),
        ("management.address", "192.0.2.10/24"),
        ("proxy.password", ""),
    ];
    let answer = client.post_form("/getting-started/seed", &right).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-disposition"), "attachment; filename=\"lobby-1-seed.iso\"");
    let mut volume = eyot_iso::read(std::io::Cursor::new(answer.body.to_vec())).unwrap();
    let seed = String::from_utf8(volume.get("eyot.toml").unwrap()).unwrap();
    assert!(seed.contains(&token) && seed.contains("192.0.2.10/24") && !seed.contains("proxy"), "{seed}");

    // once used, the token makes no more volumes
    Sensor::activate(&house.anybody(), house.folder.path(), &token).await;
    let answer = client.post_form("/getting-started/seed", &right).await;
    assert_eq!(answer.status, 422);
    for path in ["/getting-started", "/sensors"] {
        assert!(!page(&client, path).await.contains("eyot1_"), "{path} shows the token");
    }
}

#[tokio::test]
async fn sites_and_sensors_tell_how_each_sensor_is() {
    let house = House::open().await;
    let client = house.program("contributor").await;
    let html = page(&client, "/sensors").await;
    assert!(html.contains("No sensor is registered yet"));
    house.register("waiting").await;
    let sensor = house.sensor("working <b>").await;
    sensor.say(&[ConditionCode::CaptureLoss]).await;
    sensor.report_well(1, vec![device(1, "cam")]).await;
    let html = page(&client, "/sensors").await;
    for text in
        ["Enterprise network", "Enterprise IoT", "Pending activation", "Frames are being lost", "just now"]
    {
        assert!(html.contains(text), "{text}");
    }
    assert!(html.contains("working &lt;b&gt;") && !html.contains("working <b>"));
    let html = page(&client, &format!("/sensors/{}", sensor.id)).await;
    for text in [
        "give the appliance more processors",
        "ens224",
        "100 (1.00 %)",
        "eyot-test",
        "Create activation command",
    ] {
        assert!(html.contains(text), "{text}");
    }
    let answer = client.post_form(&format!("/sensors/{}/activation", sensor.id), &[]).await;
    assert!(answer.text().contains("Activation command created") && answer.text().contains("eyot1_"));
    assert!(page(&client, &format!("/sensors/{}/delete", sensor.id)).await.contains("Delete working"));
    assert_eq!(client.post_form(&format!("/sensors/{}/delete", sensor.id), &[]).await.status, 303);
    assert_eq!(client.get(&format!("/sensors/{}", sensor.id)).await.status, 404);
    assert!(!page(&client, "/sensors").await.contains("working"));
}

#[tokio::test]
async fn the_inventory_is_shown_filtered_and_exported() {
    let house = House::open().await;
    let client = house.program("security_reader").await;
    assert!(page(&client, "/devices").await.contains("No device matches"));
    let sensor = house.sensor("one").await;
    let mut odd = device(77, "=cmd|'/c calc'");
    odd.vendor = Some("<script>alert(1)</script>, Inc".to_owned());
    odd.randomized_mac = true;
    let mut all: Vec<_> = (0..60).map(|n| device(n, &format!("cam-{n:02}"))).collect();
    all.push(odd);
    sensor.report_well(1, all).await;
    let html = page(&client, "/devices?sort=name").await;
    for text in [
        "61",
        "Page 1 of 2",
        "cam-00",
        "Axis Communications",
        "Camera",
        "10.0.0.0",
        "90 %",
        "aria-sort=\"ascending\"",
    ] {
        assert!(html.contains(text), "{text}");
    }
    assert!(!html.contains("<script>alert"), "markup from the network is text");
    let second = page(&client, "/devices?sort=name&page=2").await;
    assert!(second.contains("cam-55") && !second.contains("cam-00"));
    let html = page(&client, "/devices?search=cam-07").await;
    assert!(html.contains("cam-07") && !html.contains("cam-08"));
    assert_eq!(client.get("/devices?sort=evil").await.status, 422);

    let csv = client.get("/devices.csv?sort=name").await;
    assert_eq!(csv.header("content-disposition"), "attachment; filename=\"devices.csv\"");
    let text = csv.text();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 62, "a heading and every device, not one page");
    assert!(lines[0].starts_with("Name,IP address,MAC address,Vendor"));
    assert!(text.contains("'=cmd|'/c calc'") && text.contains("\"<script>alert(1)</script>, Inc\""));
    let json = client.get("/devices.json?search=cam-07").await.json();
    assert_eq!(json.as_array().unwrap().len(), 1);
    assert_eq!(json[0]["mac"], "00:40:00:00:00:07");

    let id = json[0]["id"].as_str().unwrap();
    let html = page(&client, &format!("/devices/{id}")).await;
    for text in ["cam-07", "Evidence from", "axis-mdns", "model=P1435", "Declared", "VLANs"] {
        assert!(html.contains(text), "{text}");
    }
    assert_eq!(client.get(&format!("/devices/{}", uuid::Uuid::new_v4())).await.status, 404);
}

#[tokio::test]
async fn the_choice_of_columns_stays() {
    let house = House::open().await;
    let client = house.program("security_reader").await;
    house.sensor("one").await.report_well(1, vec![device(1, "cam")]).await;
    let heading = |html: &str, title: &str| {
        html.split("<thead>").nth(1).unwrap().split("</thead>").next().unwrap().contains(title)
    };
    let html = page(&client, "/devices").await;
    assert!(heading(&html, "Vendor") && !heading(&html, "Protocols"));
    let form =
        [("column", "protocols"), ("column", "ip"), ("column", "nonsense"), ("back", "/devices?sort=name")];
    let answer = client.post_form("/devices/columns", &form).await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (303, "/devices?sort=name"));
    let html = page(&client, "/devices").await;
    assert!(heading(&html, "Name") && heading(&html, "Protocols") && heading(&html, "IP address"));
    assert!(!heading(&html, "Vendor") && html.contains("arp, mdns"));
    let other = house.program("contributor").await;
    assert!(heading(&page(&other, "/devices").await, "Vendor"), "everybody has their own");
    client.post_form("/devices/columns", &[("reset", "yes")]).await;
    assert!(heading(&page(&client, "/devices").await, "Vendor"));
}

//! The lint on our own descriptor with one thing wrong at a time: it says so, and of the whole one it says nothing.
#![allow(clippy::unwrap_used)]

use eyot_image::ovf::{lint, Descriptor, DiskFacts, GuestOs, Profile};

fn ours() -> String {
    let disk = DiskFacts {
        file_name: "eyot-disk1.vmdk".into(),
        file_bytes: 1000,
        capacity: 10 << 30,
        populated: 500,
        content: "00".into(),
    };
    Profile::new("eyot", "1.0", GuestOs::Debian).envelope(&disk).to_xml()
}

fn said(text: &str) -> String {
    let descriptor = Descriptor::parse(text.as_bytes()).unwrap();
    lint(&descriptor).list().iter().map(|f| format!("{}: {}\n", f.part, f.text)).collect()
}

#[test]
fn ours_is_clean() {
    assert_eq!(said(&ours()), "");
}

#[test]
fn each_fault_is_named() {
    let cases = [
        ("ovf:fileRef=\"icon-file\"", "ovf:fileRef=\"gone\"", "icon: refers to file \"gone\""),
        ("ovf:fileRef=\"icon-file\"", "ovf:fileRef=\"system-file\"", "file: \"eyot-icon.png\" is used by no"),
        (" ovf:default=\"true\"", "", "options: no deployment option is the default"),
        (
            "ovf:id=\"large\"",
            "ovf:id=\"large\" ovf:default=\"true\"",
            "options: 2 deployment options are the default",
        ),
        ("<Label>Large</Label>", "", "options: \"large\" has no Label"),
        (
            "<Item ovf:configuration=\"large\">",
            "<Item ovf:configuration=\"huge\">",
            "option \"huge\", which does not exist",
        ),
        ("<Item ovf:configuration=\"large\">", "<Item>", "is there twice in option \"\""),
        ("ovf:value=\"dhcp\"", "ovf:value=\"bootp\"", "has default \"bootp\", which is not in"),
        (
            "ovf:value=\"\" ovf:password",
            "ovf:value=\"secret\" ovf:password",
            "\"activation_token\" is a password with a default",
        ),
        ("<Vendor>Eyot</Vendor>", "", ""),
        ("ovf:key=\"host_name\"", "ovf:key=\"host.name\"", "has a dot or colon"),
        ("ovf:/disk/system", "ovf:/disk/gone", "which does not exist"),
        (
            "<rasd:Connection>Management<",
            "<rasd:Connection>Elsewhere<",
            "is connected to network \"Elsewhere\"",
        ),
        ("vmx-13", "virtualbox-2.2", "unsupported hardware family"),
        ("ovf:userConfigurable=\"true\"", "ovf:userConfigurable=\"false\"", "the wizard does not ask for it"),
    ];
    for (find, put, expected) in cases {
        let text = ours();
        assert!(text.contains(find), "{find} is not in\n{text}");
        let said = said(&text.replacen(find, put, 1));
        match expected {
            "" => assert_eq!(said, "", "{find}"),
            expected => {
                assert!(said.contains(expected), "{find} -> {put}\n said {said}\n expected {expected}")
            }
        }
    }
}

#[test]
fn parts_out_of_order_are_named() {
    let text = ours();
    let (vendor, version) = ("<Vendor>Eyot</Vendor>", "<Version>1.0</Version>");
    assert!(text.contains(vendor) && text.contains(version));
    let swapped = text.replace(vendor, "@").replace(version, vendor).replace('@', version);
    assert!(said(&swapped).contains("ProductSection: Vendor stands after Version"), "{}", said(&swapped));
}

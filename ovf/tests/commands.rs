//! The program as its user runs it: what it writes, what it says when something is wrong, and that nothing half-written
//! is ever left under a final name.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs::{self, OpenOptions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use eyot_contract::{ActivationToken, CaPin, Timestamp};
use support::{disk, noise, prose, run, MIB};

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_eyot-image"))
}

fn eyot_image(args: &[&str]) -> Output {
    program().args(args).env_remove("SOURCE_DATE_EPOCH").output().unwrap()
}

fn stderr(out: &Output) -> String {
    String::from_utf8_lossy(&out.stderr).into_owned()
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn images_writes_all_three_and_they_verify() {
    let dir = tempfile::tempdir().unwrap();
    let raw = disk(dir.path(), "raw", 40 * MIB, &[(0, prose(200_000)), (39 * MIB, noise(70_000, 1))]);
    let raw = raw.to_str().unwrap();
    let write = |out: &str, threads: &str| {
        let out = dir.path().join(out);
        let out = out.to_str().unwrap();
        let done = eyot_image(&[
            "images",
            raw,
            "--out-dir",
            out,
            "--name",
            "eyot-1-debian-12-amd64",
            "--threads",
            threads,
        ]);
        assert!(done.status.success(), "{}", stderr(&done));
    };
    write("one", "1");
    write("two", "3");
    let one = dir.path().join("one");
    let (ova, vhdx) = ("eyot-1-debian-12-amd64.ova", "eyot-1-debian-12-amd64.vhdx");
    let scripts = ["Import-EyotSensor.PowerCLI.ps1", "Import-EyotSensor.ps1"];
    assert_eq!(names(&one), [scripts[0], scripts[1], "SHA256SUMS", ova, vhdx, "import-esxi.sh"]);
    for name in names(&one) {
        assert!(
            fs::read(one.join(&name)).unwrap() == fs::read(dir.path().join("two").join(&name)).unwrap(),
            "{name}"
        );
    }
    let sums = run("sh", &["-c", &format!("cd '{}' && sha256sum -c SHA256SUMS", one.display())]);
    assert_eq!(sums.matches(": OK").count(), 5, "{sums}");
    for name in ["eyot-1-debian-12-amd64.ova", "eyot-1-debian-12-amd64.vhdx"] {
        let path = one.join(name);
        let verified = eyot_image(&["verify", path.to_str().unwrap(), "--format", "json"]);
        let report: serde_json::Value = serde_json::from_slice(&verified.stdout).unwrap();
        assert_eq!(report["sound"], true, "{report}");
        assert_eq!(report["findings"]["list"], serde_json::json!([]));
        let shown = eyot_image(&["inspect", path.to_str().unwrap()]);
        assert!(shown.status.success() && String::from_utf8_lossy(&shown.stdout).contains("capacity_bytes"));
        let metadata = fs::metadata(&path).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o644);
        // Hyper-V refuses a VHDX with holes in its file.
        assert!(metadata.blocks() * 512 >= metadata.len(), "{name} is sparse");
    }
    let ova = one.join("eyot-1-debian-12-amd64.ova");
    let shown = eyot_image(&["inspect", ova.to_str().unwrap(), "--format", "json"]);
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(shown["descriptor"]["product"], concat!("Eyot sensor ", env!("CARGO_PKG_VERSION")));
}

#[test]
fn convert_goes_by_extension_and_repair_and_sign_work_on_files() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let raw = disk(dir.path(), "raw", 5 * MIB, &[(MIB, prose(10_000))]);
    let raw = raw.to_str().unwrap();
    for (output, format) in [("a.vmdk", "vmdk"), ("a.VHDX", "vhdx")] {
        assert!(eyot_image(&["convert", raw, &at(output), "--quiet"]).status.success());
        run("qemu-img", &["compare", "-f", "raw", "-F", format, raw, &at(output)]);
    }
    let refused = eyot_image(&["convert", raw, &at("a.qcow2")]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("ends neither in .vmdk nor in .vhdx"));

    run("qemu-img", &["convert", "-O", "vmdk", "-o", "subformat=streamOptimized", raw, &at("q.vmdk")]);
    assert_eq!(eyot_image(&["verify", &at("q.vmdk")]).status.code(), Some(1));
    assert!(eyot_image(&["repair", &at("q.vmdk"), &at("r.vmdk")]).status.success());
    assert!(eyot_image(&["verify", &at("r.vmdk")]).status.success());

    assert!(eyot_image(&["ova", raw, &at("a.ova"), "--version", "2.0"]).status.success());
    run(
        "openssl",
        &[
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-keyout",
            &at("k"),
            "-out",
            &at("c"),
            "-subj",
            "/CN=p",
            "-days",
            "9",
        ],
    );
    assert!(!eyot_image(&["verify", "--signature", &at("a.ova")]).status.success());
    let signed =
        eyot_image(&["sign", &at("a.ova"), &at("s.ova"), "--key", &at("k"), "--certificate", &at("c")]);
    assert!(signed.status.success(), "{}", stderr(&signed));
    let verified = eyot_image(&["verify", "--signature", &at("s.ova")]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
    let whole = eyot_image(&[
        "ova",
        raw,
        &at("a.ova"),
        "--version",
        "2.0",
        "--sign-key",
        &at("k"),
        "--sign-certificate",
        &at("c"),
    ]);
    assert!(whole.status.success() && fs::read(at("a.ova")).unwrap() == fs::read(at("s.ova")).unwrap());
}

/// One pass writes OVA, zipped VHDX and sums: others unpack the archive to the very VHDX that `vhdx` writes, and neither
/// threads, runs nor directories change a byte.
#[test]
fn a_zipped_vhdx_is_the_vhdx_and_the_same_every_time() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let raw = disk(
        dir.path(),
        "raw",
        9 * MIB + 512,
        &[(0, prose(200_000)), (4 * MIB + 7, noise(300_000, 1)), (9 * MIB, vec![7; 512])],
    );
    let raw = raw.to_str().unwrap();
    for allocation in ["dynamic", "fixed"] {
        let options = ["--allocation", allocation, "--threads"];
        for (out, threads) in [("one", "1"), ("again", "1"), ("three", "3")] {
            let images = ["images", raw, "-q", "--zip", "--name", "a", "--out-dir", &at(out)];
            let done = eyot_image(&[&images[..], &options, &[threads]].concat());
            assert!(done.status.success(), "{}", stderr(&done));
        }
        for name in names(Path::new(&at("one"))) {
            let one = fs::read(dir.path().join("one").join(&name)).unwrap();
            for other in ["again", "three"] {
                assert!(one == fs::read(dir.path().join(other).join(&name)).unwrap(), "{name}, {other}");
            }
        }
        run("sh", &["-c", &format!("cd '{}' && sha256sum -c SHA256SUMS", at("one"))]);
        let alone = eyot_image(&[&["vhdx", raw, &at("a.vhdx"), "-q"], &options[..], &["2"]].concat());
        assert!(alone.status.success(), "{}", stderr(&alone));
        let zipped = at("one/a.vhdx.zip");
        let unpack =
            "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); assert z.namelist() == ['a.vhdx']; \
                      assert z.testzip() is None; open(sys.argv[2], 'wb').write(z.read('a.vhdx'))";
        run("python3", &["-c", unpack, &zipped, &at("unpacked")]);
        assert!(fs::read(at("unpacked")).unwrap() == fs::read(at("a.vhdx")).unwrap(), "{allocation}");
        assert!(fs::metadata(&zipped).unwrap().len() < MIB, "{allocation}");
    }
    assert!(eyot_image(&["convert", raw, &at("a.vhdx.zip"), "-q"]).status.success());
    let refused = eyot_image(&["vhdx", raw, &at("b.vhdx"), "--zip"]);
    assert!(stderr(&refused).contains("an archive ends in .vhdx.zip"), "{}", stderr(&refused));
}

/// Beyond 4 GiB the archive needs the ZIP64 fields.
#[test]
fn a_large_zipped_vhdx_is_read_by_others() {
    let dir = tempfile::tempdir().unwrap();
    let raw = disk(dir.path(), "raw", 5 << 30, &[((5 << 30) - 512, noise(512, 4))]);
    let zip = dir.path().join("a.vhdx.zip");
    let (raw, zip) = (raw.to_str().unwrap(), zip.to_str().unwrap());
    let done = eyot_image(&["vhdx", raw, zip, "--zip", "--allocation", "fixed", "-q"]);
    assert!(done.status.success(), "{}", stderr(&done));
    let look = "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); i = z.infolist()[0]; \
                assert i.file_size == (5 << 30) + (4 << 20), i; f = z.open('a.vhdx'); \
                assert f.read(8) == b'vhdxfile'";
    run("python3", &["-c", look, zip]);
}

fn token() -> ActivationToken {
    ActivationToken {
        sensor: uuid::Uuid::from_u128(7),
        secret: [5; 32],
        ca_pin: CaPin([6; 32]),
        expires: Timestamp::from_seconds(2_000_000_000),
        portal: "https://portal.example:8443".to_owned(),
    }
}

#[test]
fn a_seed_carries_token_and_settings_and_is_private() {
    use std::io::Write;
    let dir = tempfile::tempdir().unwrap();
    let iso = dir.path().join("seed.iso");
    let mut child = program()
        .args(["seed", iso.to_str().unwrap(), "--token-file", "-", "--hostname", "sensor-1"])
        .args([
            "--network",
            "static",
            "--address",
            "192.0.2.10/24",
            "--gateway",
            "192.0.2.1",
            "--proxy",
            "http://proxy.example:3128",
        ])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(child.stdin.take().unwrap(), "{}", token().encode()).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(fs::metadata(&iso).unwrap().permissions().mode() & 0o777, 0o600);
    let mut volume = eyot_iso::read(fs::File::open(&iso).unwrap()).unwrap();
    assert_eq!(volume.label(), "cidata");
    let text = String::from_utf8(volume.get("eyot.toml").unwrap()).unwrap();
    let layer = eyot_contract::settings::Layer::from_toml("seed", &text).unwrap();
    let settings = eyot_contract::settings::resolve(&[layer]).unwrap().settings;
    assert!(settings.token == Some(token()));
    assert_eq!(settings.hostname.as_deref(), Some("sensor-1"));
    let meta = String::from_utf8(volume.get("meta-data").unwrap()).unwrap();
    assert!(meta.contains("instance-id: eyot-00000000-0000-0000-0000-000000000007"), "{meta}");
    let shown = eyot_image(&["inspect", iso.to_str().unwrap(), "--format", "json"]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("\"user-data\"") && !shown.contains("eyot1_"), "{shown}");
}

#[test]
fn a_wrong_seed_is_refused_without_repeating_the_token() {
    let dir = tempfile::tempdir().unwrap();
    let iso = dir.path().join("seed.iso");
    let iso = iso.to_str().unwrap();
    let file = dir.path().join("token");
    let whole = token().encode();
    for (text, said) in [
        (&whole[..whole.len() - 9], "token is damaged"),
        ("hello", "not an activation token"),
        ("", "activation.token is empty"),
    ] {
        fs::write(&file, text).unwrap();
        let out = eyot_image(&["seed", iso, "--token-file", file.to_str().unwrap()]);
        let message = stderr(&out);
        assert_eq!(out.status.code(), Some(1));
        assert!(message.contains(said) && message.lines().count() == 1, "{message}");
        assert!(text.is_empty() || !message.contains(text), "{message}");
    }
    let bad = eyot_image(&["seed", iso, "--address", "192.0.2.10"]);
    assert!(stderr(&bad).contains("management.address"), "{}", stderr(&bad));
    let none = eyot_image(&["seed", iso]);
    assert!(stderr(&none).contains("without any setting would do nothing"));
    assert_eq!(names(dir.path()), ["token"]);
}

#[test]
fn wrong_input_is_one_clear_line_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let odd = dir.path().join("odd");
    fs::write(&odd, [1; 700]).unwrap();
    let out = dir.path().join("x.vmdk");
    let out = out.to_str().unwrap();
    for (input, said) in [
        (odd.to_str().unwrap(), "is 700 bytes long, not a positive multiple of 512; pad it with `truncate"),
        ("/nonexistent", "cannot open disk /nonexistent: No such file"),
        ("/dev/null", "neither a file nor a block device"),
        (dir.path().to_str().unwrap(), "neither a file nor a block device"),
    ] {
        let refused = eyot_image(&["convert", input, out]);
        let message = stderr(&refused);
        assert_eq!(refused.status.code(), Some(1));
        assert!(message.contains(said) && message.lines().count() == 1, "{message}");
    }
    let gone = eyot_image(&["convert", odd.to_str().unwrap(), "/nonexistent/x.vmdk"]);
    assert_eq!(gone.status.code(), Some(1));
    assert_eq!(eyot_image(&["convert"]).status.code(), Some(2));
    assert_eq!(names(dir.path()), ["odd"]);
    for command in ["convert", "ova", "vhdx", "images", "seed", "inspect", "verify", "repair", "sign"] {
        let help = eyot_image(&[command, "--help"]);
        assert!(String::from_utf8_lossy(&help.stdout).contains("Example"), "{command}");
    }
}

#[test]
fn a_full_disk_is_said_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let raw = disk(dir.path(), "raw", 20 * MIB, &[(0, noise(8 << 20, 1))]);
    let full = dir.path().join("full");
    fs::create_dir(&full).unwrap();
    // Mounted in a mount namespace of its own: gone with the shell.
    let script = format!(
        "mount -t tmpfs -o size=3m none '{full}' || exit 90
         '{program}' images '{raw}' --out-dir '{full}' --name a; code=$?
         test -z \"$(ls -A '{full}')\" || exit 91
         exit $code",
        full = full.display(),
        raw = raw.display(),
        program = env!("CARGO_BIN_EXE_eyot-image"),
    );
    let out = Command::new("unshare").args(["-m", "sh", "-c", &script]).output().unwrap();
    let message = stderr(&out);
    assert_eq!(out.status.code(), Some(1), "{message}");
    let last = message.lines().last().unwrap();
    assert!(last.contains("No space left on device") && last.contains("free some space"), "{message}");
}

/// A run that is stopped in the middle of writing: its exit code and what is left.
fn stopped_by(signal: &str) -> (Option<i32>, Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    let raw = disk(dir.path(), "raw", 300 * MIB, &[(0, prose(280 << 20))]);
    let out = dir.path().join("out");
    let mut child = program()
        .args([
            "images",
            raw.to_str().unwrap(),
            "--out-dir",
            out.to_str().unwrap(),
            "--name",
            "a",
            "--threads",
            "1",
            "-q",
        ])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let begun = out.join(".a.vhdx.partial");
    let patience = Instant::now() + Duration::from_secs(60);
    while !fs::metadata(&begun).is_ok_and(|m| m.len() > 5 * MIB) {
        assert!(Instant::now() < patience && child.try_wait().unwrap().is_none(), "it never began to write");
        std::thread::sleep(Duration::from_millis(5));
    }
    run("kill", &[signal, &child.id().to_string()]);
    let code = child.wait().unwrap().code();
    (code, names(&out))
}

#[test]
fn an_interrupted_run_leaves_nothing() {
    for signal in ["-INT", "-TERM"] {
        assert_eq!(stopped_by(signal), (Some(130), Vec::new()), "{signal}");
    }
}

/// Numbers for the moments of a kill: those of EYOT_KILL_SEED, or of the clock. What is printed shows up when it fails.
fn moments() -> impl Iterator<Item = u32> {
    let seed = std::env::var("EYOT_KILL_SEED").ok().map(|s| s.parse().unwrap()).unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        now.as_nanos() as u64
    });
    println!("to have these moments again: EYOT_KILL_SEED={seed}");
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u32 % 1000
    })
}

/// Kills a run at ten moments of its time, each of which may find any step of it, then lets one end.
fn killed_at_ten_moments(more: &[&str], vhdx: &str) {
    let dir = tempfile::tempdir().unwrap();
    let raw = disk(dir.path(), "raw", 50 * MIB, &[(0, prose(40 << 20))]);
    let out = dir.path().join("out");
    let spawn = || {
        program()
            .args(["images", raw.to_str().unwrap(), "--out-dir", out.to_str().unwrap(), "--name", "a", "-q"])
            .args(more)
            .spawn()
            .unwrap()
    };
    let sound = |name: &str| {
        let path = out.join(name);
        match name {
            "a.ova" | "a.vhdx" => eyot_image(&["verify", "-q", path.to_str().unwrap()]).status.success(),
            "a.vhdx.zip" => {
                Command::new("python3").args(["-m", "zipfile", "-t"]).arg(&path).status().unwrap().success()
            }
            "SHA256SUMS" => {
                let check = format!("cd '{}' && sha256sum -c SHA256SUMS", out.display());
                Command::new("sh").args(["-c", &check]).output().unwrap().status.success()
            }
            // scripts are written in one piece; a truncated one would have no last line break
            _ => fs::read(&path).unwrap().ends_with(b"\n"),
        }
    };
    let begun = Instant::now();
    assert!(spawn().wait().unwrap().success());
    let whole = begun.elapsed();
    for moment in moments().take(10) {
        fs::remove_dir_all(&out).unwrap();
        let mut child = spawn();
        std::thread::sleep(whole * moment / 1000);
        // Not asserted that it still runs: on a busy machine the moments shift, and every state must be valid.
        let _ = child.kill();
        child.wait().unwrap();
        let left = if out.exists() { names(&out) } else { Vec::new() };
        for name in left.iter().filter(|name| !name.ends_with(".partial")) {
            assert!(sound(name), "{name} is invalid after a kill at {moment}/1000 of the time: {left:?}");
        }
        fs::create_dir_all(&out).unwrap();
    }
    // Over what the last kill left, so that a half-made file is met.
    let mut child = spawn();
    std::thread::sleep(whole / 2);
    let _ = child.kill();
    child.wait().unwrap();
    assert!(spawn().wait().unwrap().success());
    assert!(names(&out).iter().all(|name| !name.ends_with(".partial") && sound(name)), "{:?}", names(&out));
    assert!(names(&out).iter().any(|name| name == vhdx), "{:?}", names(&out));
}

#[test]
fn killed_at_ten_moments_no_final_name_is_ever_invalid() {
    killed_at_ten_moments(&[], "a.vhdx");
}

#[test]
fn killed_at_ten_moments_neither_is_an_archive() {
    killed_at_ten_moments(&["--zip"], "a.vhdx.zip");
}

#[test]
fn a_disk_that_shrinks_or_changes_while_read_is_an_error() {
    use eyot_image::disk::{Disk, DiskError, RawDisk, Survey};
    use eyot_image::pass::{pack, PassError};
    use eyot_image::vmdk::StreamWriter;
    let dir = tempfile::tempdir().unwrap();
    let path = disk(dir.path(), "raw", 20 * MIB, &[(0, prose(3 << 20)), (15 * MIB, noise(100, 1))]);
    let control = support::control(2);
    let second_pass = |harm: &dyn Fn()| {
        let disk = RawDisk::open(&path).unwrap();
        let survey = Survey::of(&disk, &control).unwrap();
        harm();
        let mut writer = StreamWriter::new(std::io::sink(), &survey).unwrap();
        pack(&disk, &survey, &mut [&mut writer], &control).unwrap_err().to_string()
    };
    let open = || OpenOptions::new().write(true).open(&path).unwrap();
    let said = second_pass(&|| {
        use std::os::unix::fs::FileExt;
        open().write_all_at(b"!", 2 * MIB + 5).unwrap();
    });
    assert!(
        said.contains("changed at offset 2097152 while it was read; stop whatever writes to it"),
        "{said}"
    );
    // Data that appears where the survey saw a hole is noticed by the modification time.
    let said = second_pass(&|| {
        use std::os::unix::fs::FileExt;
        std::thread::sleep(Duration::from_millis(20));
        open().write_all_at(b"!", 10 * MIB).unwrap();
    });
    assert!(said.contains("changed its modification time while it was read"), "{said}");
    let said = second_pass(&|| open().set_len(10 * MIB).unwrap());
    assert!(said.contains("shrank from 20971520 to 10485760 bytes while it was read"), "{said}");

    // The first pass too: opened at full size, shorter when it is surveyed.
    let disk = RawDisk::open(&path).unwrap();
    assert_eq!(disk.size(), 10 * MIB);
    open().set_len(MIB).unwrap();
    let error = Survey::of(&disk, &control).unwrap_err();
    assert!(matches!(error, PassError::Disk(DiskError::Shrank { .. })), "{error}");
}

/// A govc that writes down how it was called, and answers as an empty host would.
const FAKE_GOVC: &str = r#"#!/bin/sh
printf '%s\n' "$*" >>"$LOG"
for argument in "$@"; do
    case $argument in -options=*) cat "${argument#-options=}" >>"$LOG.options" ;; esac
done
case $* in
*'-type n'*) echo /there ;;
host.portgroup.info) printf 'Name:            %s\nVLAN ID:         0\n\n' 'SPAN "a"' b ;;
esac
"#;

#[test]
fn the_esxi_script_is_clean_and_hands_over_what_it_is_given() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let raw = disk(dir.path(), "raw", 2 * MIB, &[(0, prose(1000))]);
    let out = at("out");
    let done = eyot_image(&[
        "images",
        raw.to_str().unwrap(),
        "--out-dir",
        &out,
        "--name",
        "a",
        "--capture-nics",
        "2",
    ]);
    assert!(done.status.success(), "{}", stderr(&done));
    let script = format!("{out}/import-esxi.sh");
    run("shellcheck", &[&script]);
    fs::create_dir(at("bin")).unwrap();
    fs::write(at("bin/govc"), FAKE_GOVC).unwrap();
    fs::set_permissions(at("bin/govc"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(at("token"), "eyot1_secret\n").unwrap();
    let import = |more: &[&str]| {
        Command::new(&script)
            .args(["--management", "VM Network", "--capture", "SPAN \"a\"", "--token-file", &at("token")])
            .args(more)
            .env("PATH", format!("{}:{}", at("bin"), std::env::var("PATH").unwrap()))
            .env("LOG", at("log"))
            .env("GOVC_URL", "https://esx.example")
            .output()
            .unwrap()
    };
    let refused = import(&[]);
    assert!(stderr(&refused).contains("has 2 capture adapter(s), but --capture was given 1 time(s)"));
    let refused = import(&["--capture", "b", "--tier", "huge"]);
    assert!(stderr(&refused).contains("tier huge is none of: standard large"));

    let dry = import(&["--capture", "b", "--dry-run"]);
    assert!(dry.status.success(), "{}", stderr(&dry));
    assert!(String::from_utf8_lossy(&dry.stdout).contains("would run: govc import.ova"));
    assert!(!fs::read_to_string(at("log")).unwrap().contains("import.ova"));

    let done = import(&["--capture", "b", "--tier", "large", "--hostname", "s1", "--power-on"]);
    assert!(done.status.success(), "{}", stderr(&done));
    let log = fs::read_to_string(at("log")).unwrap();
    assert!(log.contains("import.ova -name=a -options=") && log.contains("vm.power -on a"), "{log}");
    assert!(log.contains(
        "-allow-promiscuous=true -mac-changes=true -forged-transmits=true -vlan-id=4095 SPAN \"a\""
    ));
    assert!(!log.contains("eyot1_secret"), "the token is in no argument");
    let options = fs::read_to_string(at("log.options")).unwrap();
    let options: serde_json::Value = serde_json::from_str(&options).unwrap();
    assert_eq!(options["Deployment"], "large");
    assert_eq!(
        options["NetworkMapping"][1],
        serde_json::json!({"Name": "Capture-1", "Network": "SPAN \"a\""})
    );
    assert_eq!(
        options["PropertyMapping"][0],
        serde_json::json!({"Key": "activation_token", "Value": "eyot1_secret"})
    );
    assert_eq!(options["PropertyMapping"][1], serde_json::json!({"Key": "host_name", "Value": "s1"}));
}

#[test]
fn a_detached_signature_is_made_and_checked_beside_any_file() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let pair = minisign::KeyPair::generate_unencrypted_keypair().unwrap();
    fs::write(at("key"), pair.sk.to_box(None).unwrap().into_string()).unwrap();
    fs::write(at("pub"), pair.pk.to_box().unwrap().into_string()).unwrap();
    fs::write(at("SHA256SUMS"), "00  a.ova\n").unwrap();
    let signed = eyot_image(&["sign", &at("SHA256SUMS"), "--minisign-key", &at("key")]);
    assert!(signed.status.success(), "{}", stderr(&signed));
    for key in [at("pub"), pair.pk.to_base64()] {
        let verified = eyot_image(&["verify", &at("SHA256SUMS"), "--minisign-key", &key]);
        assert!(verified.status.success(), "{}", stderr(&verified));
    }
    fs::write(at("SHA256SUMS"), "01  a.ova\n").unwrap();
    let verified = eyot_image(&["verify", &at("SHA256SUMS"), "--minisign-key", &at("pub")]);
    assert_eq!(verified.status.code(), Some(1));
    assert!(
        stderr(&verified).contains("the signature does not belong to this file and key"),
        "{}",
        stderr(&verified)
    );
    let usage = eyot_image(&["sign", &at("SHA256SUMS")]);
    assert_eq!(usage.status.code(), Some(2));
}

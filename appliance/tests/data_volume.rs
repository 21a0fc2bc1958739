//! The data volume on real block devices: loop devices over sparse files, in a mount namespace of the test's own. Needs
//! root.
#![allow(clippy::unwrap_used)]

use std::process::{Command, Output};

/// Where the sensor's data is, this machine's own is covered by empty file systems; what is below is gone with the
/// namespace. `data` runs the program on a disk; every line it prints begins with ">".
const PRELUDE: &str = r#"
set -eu
mount -t tmpfs none /var/lib
mount -t tmpfs none /run
work=$1 program=$2
loop() { truncate -s "$2" "$work/$1"; losetup --find --show "$work/$1"; }
data() { "$program" data-volume --disk "$@" 2>&1 | sed 's/^/> /'; }
finish() { status=$?; cd /; umount /var/lib/eyot-sensor 2>/dev/null || true; for l in $disk ${other:-}; do losetup -d "$l"; done; exit $status; }
disk=$(loop disk 9G)
trap finish EXIT
place=/var/lib/eyot-sensor
"#;

fn scenario(script: &str) -> String {
    let work = tempfile::tempdir().unwrap();
    let script = format!("{PRELUDE}{script}");
    let Output { status, stdout, stderr } = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-c", &script, "scenario"])
        .arg(work.path())
        .arg(env!("CARGO_BIN_EXE_eyot-appliance"))
        .output()
        .unwrap();
    let (said, wrong) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{status}\n{said}\n{wrong}");
    // which loop device it was and how long it took is of no interest
    let said = said.split('\n').filter(|line| !line.contains(" s of the processor in "));
    said.map(|line| without_number(line) + "\n").collect()
}

/// `/dev/loop12` as `DISK`.
fn without_number(line: &str) -> String {
    let mut parts = line.split("/dev/loop");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push_str("DISK");
        text.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit()));
    }
    text
}

#[test]
fn a_blank_disk_becomes_the_volume_once_and_grows() {
    let said = scenario(
        r#"
        mkdir -m 0700 $place
        printf learnt >$place/inventory.db
        chown -R 1234:1234 $place
        data $disk --dry-run
        data $disk
        stat -c '%u %a %n' $place $place/inventory.db
        cat $place/inventory.db; echo
        blkid -p -o value -s LABEL $disk
        "$program" status --format json 2>/dev/null | grep -c '"bytes": 9' || true
        echo second run; data $disk
        umount $place
        cat $place/inventory.db; echo " is still on the system disk too"
        truncate -s 10G "$work/disk"; losetup -c $disk
        echo larger; data $disk
        df --output=size -B1G $place | tail -n 1
        cat $place/inventory.db; echo
        "#,
    );
    let expected = "> would make the data volume on DISK
> data volume made on DISK
> DISK mounted at /var/lib/eyot-sensor
1234 700 /var/lib/eyot-sensor
1234 644 /var/lib/eyot-sensor/inventory.db
learnt
eyot-data
1
second run
learnt is still on the system disk too
larger
> DISK grown to 10 GiB
> DISK mounted at /var/lib/eyot-sensor
       10
learnt
";
    assert_eq!(said.trim_end(), expected.trim_end());
}

#[test]
fn an_interrupted_making_is_begun_again() {
    let said = scenario(
        r#"
        mkfs.ext4 -q -L eyot-making $disk
        data $disk
        umount $place
        data $disk
        "#,
    );
    assert_eq!(
        said.trim_end(),
        "> data volume made on DISK\n> DISK mounted at /var/lib/eyot-sensor\n> DISK mounted at /var/lib/eyot-sensor"
    );
}

#[test]
fn a_disk_with_anything_on_it_is_left_alone_and_a_missing_one_is_missed() {
    let said = scenario(
        r#"
        data $disk
        umount $place
        other=$(loop other 9G)
        # the ends, and how much of it is there: the rest is holes
        look() { sync "$work/other"; { head -c 64M "$work/other"; tail -c 64M "$work/other"; stat -c %b "$work/other"; } | sha256sum; }
        for what in 'mkfs.ext4 -q -L backup' 'mkswap' 'sgdisk --clear' 'dd if=/dev/urandom bs=1M count=8 seek=4000 of='; do
          losetup -d $other; rm "$work/other"; other=$(loop other 9G)
          case $what in dd*) $what$other 2>/dev/null ;; *) $what $other >/dev/null ;; esac
          before=$(look)
          data $other || true
          [ "$(look)" = "$before" ] && echo untouched
        done
        truncate -s 1G "$work/small"; losetup -d $other; other=$(loop small 1G)
        data $other --dry-run
        "#,
    );
    let line = |l: &str| {
        l.starts_with("> eyot-appliance: the data volume ")
            && l.contains("is not there; attach its disk again")
    };
    let (told, rest): (Vec<&str>, Vec<&str>) = said.trim_end().lines().partition(|l| line(l));
    assert_eq!(told.len(), 4, "{said}");
    assert_eq!(
        rest,
        [
            "> data volume made on DISK",
            "> DISK mounted at /var/lib/eyot-sensor",
            "untouched",
            "untouched",
            "untouched",
            "untouched",
            "> no blank data disk: data stays on the system disk",
        ],
        "{said}"
    );
}

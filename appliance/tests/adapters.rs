//! Real adapters: veth pairs in a network namespace of their own, driven through the real program.
//!
//! Needs root, `unshare`, `ip`, `nft`, `netplan` and veth in the kernel; without them the tests fail.

#![allow(clippy::unwrap_used, missing_docs)]

use std::process::Command;

/// Runs a script in fresh network and mount namespaces with a `/sys` that shows them; `$EYOT` is the program and `$ROOT`
/// an empty root directory.
fn in_namespace(script: &str) -> String {
    let root = tempfile::tempdir().unwrap();
    let script = format!(
        "set -e; mount -t sysfs sysfs /sys; ip link set lo up
         ip link add mgmt type veth peer name mgmtpeer
         ip link add mon type veth peer name monpeer
         ip link set mgmtpeer up; ip link set monpeer up
         mkdir -p $ROOT/etc/eyot; printf 'version = 1\\n[management]\\ninterface = \"name:mgmt\"\\n[capture]\\ninterfaces = [\"name:mon\"]\\n' > $ROOT/etc/eyot/local.toml
         {script}"
    );
    let output = Command::new("unshare")
        .args(["--net", "--mount", "sh", "-c", &script])
        .env("EYOT", env!("CARGO_BIN_EXE_eyot-appliance"))
        .env("ROOT", root.path())
        .output()
        .expect("unshare is needed");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    out.into_owned()
}

/// `listen` is what `network` does after the netplan file; netplan itself looks below `/`, so here the daemon's part runs.
#[test]
fn a_capture_adapter_comes_up_silent_and_stays_so() {
    let out = in_namespace(
        r#"
        timeout 3 $EYOT --root $ROOT run 2>$ROOT/log || [ $? = 124 ]
        echo "--flags"; ip -o link show mon; ip -o addr show dev mon
        echo "--features"; ethtool -k mon | grep -E '(tx-tcp-segmentation|generic-segmentation-offload|generic-receive-offload|rx-checksumming|scatter-gather): on' || true
        echo "--tx"; cat /sys/class/net/mon/statistics/tx_packets
        echo "--rules"; nft list ruleset | grep -c 'iifname.*mon\|oifname.*mon'
        # somebody tries to send out of it: by IP, by ARP
        ip addr add 198.51.100.1/24 dev mon; ip link set mon arp on; ping -c 1 -W 1 198.51.100.2 >/dev/null 2>&1 || true
        echo "--tx-after"; cat /sys/class/net/mon/statistics/tx_packets
        # the same without the rules: proof that the counter would have shown it
        nft flush ruleset; ping -c 1 -W 1 198.51.100.2 >/dev/null 2>&1 || true
        echo "--tx-without-rules"; cat /sys/class/net/mon/statistics/tx_packets
        "#,
    );
    let section =
        |name: &str| out.split(&format!("--{name}\n")).nth(1).unwrap().split("--").next().unwrap().trim();
    let flags = section("flags");
    for flag in ["PROMISC", "NOARP", "UP", "mtu 9216"] {
        assert!(flags.contains(flag), "{flag} in {flags}");
    }
    assert!(!flags.contains("MULTICAST") && !flags.contains("inet"), "{flags}");
    assert_eq!(section("features"), "", "{out}");
    assert_eq!(section("tx"), "0", "{out}");
    assert_eq!(section("tx-after"), "0", "{out}");
    assert_ne!(
        section("tx-without-rules"),
        "0",
        "the attempt sends nothing anyway, so it proves nothing: {out}"
    );
    assert!(section("rules").parse::<u32>().unwrap() >= 4, "{out}");
}

#[test]
fn a_second_run_changes_nothing_and_drift_is_put_back() {
    let out = in_namespace(
        r#"
        run() { timeout 3 $EYOT --root $ROOT run 2>$ROOT/log || [ $? = 124 ]; }
        run; echo "--first"; grep -c 'mon:' $ROOT/log
        sums() { find $ROOT/etc $ROOT/var -type f -exec stat -c '%n %i %Y' {} + | sort; }
        sums > $ROOT/before
        run; echo "--second"; grep -c 'mon:\|firewall' $ROOT/log || true
        sums > $ROOT/after; cmp $ROOT/before $ROOT/after
        ip link set mon promisc off arp on
        run; echo "--third"; grep -o 'mon: .*' $ROOT/log
        ip -o link show mon
        "#,
    );
    assert!(out.contains("--first\n1\n--second\n0\n"), "{out}");
    assert!(out.contains("--third\nmon: ARP and multicast off, promiscuous and up\n"), "{out}");
    assert!(out.contains("NOARP") && out.contains("PROMISC"), "{out}");
}

#[test]
fn interfaces_and_firewall_show_what_holds() {
    let out = in_namespace(
        r#"
        timeout 3 $EYOT --root $ROOT run 2>/dev/null || [ $? = 124 ]
        $EYOT --root $ROOT interfaces; $EYOT --root $ROOT interfaces --format json | grep -c '"role"'
        $EYOT --root $ROOT firewall show; echo "show: $?"
        nft flush ruleset
        $EYOT --root $ROOT firewall show >/dev/null 2>&1 || echo "after flush: $?"
        "#,
    );
    assert!(out.contains("management mgmt") && out.contains("monitoring mon "), "{out}");
    assert!(
        out.contains("table arp eyot") && out.contains("show: 0") && out.contains("after flush: 1"),
        "{out}"
    );
}

#[test]
fn without_a_monitoring_adapter_status_says_so_and_fails() {
    let out = in_namespace(
        r#"
        printf 'version = 1\n[management]\ninterface = "name:mgmt"\n' > $ROOT/etc/eyot/local.toml
        timeout 3 $EYOT --root $ROOT run 2>/dev/null || [ $? = 124 ]
        $EYOT --root $ROOT status || echo "exit $?"
        "#,
    );
    assert!(out.contains("critical  No monitoring interface") && out.contains("exit 2"), "{out}");
    assert!(out.contains("add a second network adapter"), "{out}");
    assert!(out.contains("Pending activation"), "{out}");
}

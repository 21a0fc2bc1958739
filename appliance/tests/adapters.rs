//! Real adapters: veth pairs in a network namespace of their own, driven through the real program.
//!
//! Needs root, `unshare`, `ip`, `nft`, `netplan` and veth in the kernel; without them the tests fail.

#![allow(clippy::unwrap_used, missing_docs)]

use std::process::Command;

const PREPARE: &str = r#"
set -e
mount -t sysfs sysfs /sys; ip link set lo up
ip link add mgmt type veth peer name mgmtpeer
ip link add mon type veth peer name monpeer
ip link set mgmtpeer up; ip link set monpeer up
mkdir -p $ROOT/etc/eyot
printf 'version = 1\n[management]\ninterface = "name:mgmt"\n[capture]\ninterfaces = ["name:mon"]\n' > $ROOT/etc/eyot/local.toml
"#;

/// Runs a script in fresh namespaces (network, mounts, host name, processes) with a `/sys` that shows them; `$EYOT` is the program and `$ROOT`
/// an empty root directory.
fn in_namespace(script: &str) -> String {
    let root = tempfile::tempdir().unwrap();
    let script = format!("{PREPARE}\n{script}");
    let output = Command::new("unshare")
        .args([
            "--net",
            "--mount",
            "--uts",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
            "sh",
            "-c",
            &script,
        ])
        .env("EYOT", env!("CARGO_BIN_EXE_eyot-appliance"))
        .env("ROOT", root.path())
        .output()
        .expect("unshare is needed");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    out.into_owned()
}

#[test]
fn a_capture_adapter_comes_up_silent_and_stays_so() {
    let out = in_namespace(
        r#"
        $EYOT --root $ROOT run --once 2>$ROOT/log
        echo "--flags"; ip -o link show mon; ip -o addr show dev mon
        echo "--features"; ethtool -k mon | grep -E '(tx-tcp-segmentation|generic-segmentation-offload|generic-receive-offload|rx-checksumming|scatter-gather): on' || true
        echo "--tx"; cat /sys/class/net/mon/statistics/tx_packets
        echo "--rules"; nft list ruleset | grep -c 'iifname.*mon\|oifname.*mon'
        # somebody tries to send out of it: by IP, by ARP
        ip addr add 198.51.100.1/24 dev mon; ip link set mon arp on
        attempt() {
            python3 -c 'import socket; socket.socket(socket.AF_INET,socket.SOCK_DGRAM).sendto(b"x",("198.51.100.2",9))' 2>/dev/null || true
            ip neigh replace 198.51.100.3 lladdr 02:00:00:00:00:09 dev mon nud probe; sleep 0.5
        }
        attempt
        echo "--tx-after"; cat /sys/class/net/mon/statistics/tx_packets
        # the same without the rules: proof that the counter would have shown it
        nft delete table arp eyot; ip neigh flush dev mon; attempt
        echo "--tx-without-arp-rules"; cat /sys/class/net/mon/statistics/tx_packets
        nft flush ruleset; ip neigh flush dev mon; attempt
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
        run() { $EYOT --root $ROOT run --once 2>$ROOT/log; }
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
        $EYOT --root $ROOT run --once 2>/dev/null
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
        $EYOT --root $ROOT run --once 2>/dev/null
        $EYOT --root $ROOT status || echo "exit $?"
        "#,
    );
    assert!(out.contains("critical  No monitoring interface") && out.contains("exit 2"), "{out}");
    assert!(out.contains("add a second network adapter"), "{out}");
    assert!(out.contains("Pending activation"), "{out}");
}

/// `network` calls netplan, which knows no other root: so `/` becomes an overlay that is thrown away.
#[test]
fn the_network_is_decided_once_and_a_second_boot_changes_nothing() {
    let out = in_namespace(
        r#"
        mkdir $ROOT/layer; mount -t tmpfs tmpfs $ROOT/layer; mkdir $ROOT/layer/upper $ROOT/layer/work $ROOT/layer/root
        mount -t overlay overlay -o lowerdir=/,upperdir=$ROOT/layer/upper,workdir=$ROOT/layer/work $ROOT/layer/root
        cd $ROOT/layer/root; mount --rbind /dev dev; mount --rbind /proc proc; mount --rbind /sys sys
        mount -t tmpfs tmpfs run; rm -rf etc/netplan/* var/lib/eyot
        mkdir -p etc/eyot usr/bin; cp $ROOT/etc/eyot/local.toml etc/eyot/; printf '[host]\nname = "eyot-lobby"\n' >> etc/eyot/local.toml
        cp $EYOT usr/bin/eyot-appliance
        before=$(hostname)
        boot() { date +%s > $ROOT/started; chroot . /usr/bin/eyot-appliance network; echo "exit $? after $(( $(date +%s) - $(cat $ROOT/started) )) s"; }
        echo "--first"; boot
        echo "--hostname"; hostname
        echo "--netplan"; cat etc/netplan/60-eyot.yaml; stat -c %a etc/netplan/60-eyot.yaml
        echo "--networkd"; ls run/systemd/network
        echo "--up"; ip -o link show up | grep -c 'mon@' ; cat /sys/class/net/mon/statistics/tx_packets
        sums() { find etc var/lib/eyot run -type f -exec stat -c '%n %i %Y' {} + 2>/dev/null | sort; }
        sums > $ROOT/one
        echo "--second"; boot
        sums > $ROOT/two; cmp $ROOT/one $ROOT/two
        # settings that cannot be used: what was configured before stays
        echo 'nonsense' >> etc/eyot/local.toml
        echo "--broken"; chroot . /usr/bin/eyot-appliance network 2>&1 || echo "exit $?"
        sums | grep -v local.toml > $ROOT/three; grep -v local.toml $ROOT/two | cmp - $ROOT/three
        "#,
    );
    let section =
        |name: &str| out.split(&format!("--{name}\n")).nth(1).unwrap().split("\n--").next().unwrap().trim();
    assert!(section("first").contains("/etc/netplan/60-eyot.yaml written\n/etc/hostname written"), "{out}");
    assert!(section("first").contains("mon: IPv6 off") && section("first").contains("exit 0"), "{out}");
    assert_eq!(section("hostname"), "eyot-lobby");
    assert!(section("netplan").contains("dhcp4: true") && section("netplan").ends_with("600"), "{out}");
    assert_eq!(section("networkd"), "10-netplan-management.network");
    assert_eq!(section("up"), "1\n0", "{out}");
    assert!(section("second").starts_with("exit 0"), "{out}");
    assert!(
        section("broken").contains("/etc/eyot/local.toml: line") && section("broken").contains("exit 1"),
        "{out}"
    );
}

/// What is let in and out at the management adapter, from both ends of its cable.
#[test]
fn only_what_is_meant_is_open() {
    let out = in_namespace(
        r#"
        $EYOT --root $ROOT run --once 2>/dev/null
        mount -t tmpfs tmpfs /run; ip netns add far; ip link set mgmtpeer netns far
        ip addr add 192.0.2.1/24 dev mgmt; ip link set mgmt up
        ip netns exec far ip addr add 192.0.2.2/24 dev mgmtpeer; ip netns exec far ip link set mgmtpeer up
        serve='import socket,sys,time
all=[socket.create_server((sys.argv[1],p)) for p in (22,443,8080)]
print("listening",flush=True); time.sleep(60)'
        reach='import socket,sys
s=socket.socket(); s.settimeout(1)
try: s.connect((sys.argv[1],int(sys.argv[2]))); print("open")
except OSError: print("shut")'
        python3 -c "$serve" 192.0.2.1 >$ROOT/near &
        ip netns exec far python3 -c "$serve" 192.0.2.2 >$ROOT/far &
        until grep -q listening $ROOT/near && grep -q listening $ROOT/far; do sleep 0.1; done
        for port in 22 443 8080; do
            echo "in $port $(ip netns exec far python3 -c "$reach" 192.0.2.1 $port)"
            echo "out $port $(python3 -c "$reach" 192.0.2.2 $port)"
        done
        "#,
    );
    for line in ["in 22 shut", "in 443 open", "in 8080 shut", "out 22 shut", "out 443 open", "out 8080 shut"]
    {
        assert!(out.contains(line), "{line} is not in: {out}");
    }
}

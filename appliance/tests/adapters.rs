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
/// an empty root directory, `$SCAN` the port scanner.
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
        .env("SCAN", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scan.py"))
        .output()
        .expect("unshare is needed");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    out.into_owned()
}

#[test]
fn p14_a_capture_adapter_comes_up_silent_and_stays_so() {
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

/// The daemon hears of changes from the kernel: its own round comes every ten seconds only.
#[test]
fn p7_what_is_done_to_a_monitored_adapter_is_undone_within_seconds_and_it_never_sends() {
    let out = in_namespace(
        r#"
        MAC=02:00:00:00:00:07
        ip link set mon address $MAC
        printf 'version = 1\n[management]\ninterface = "name:mgmt"\n[capture]\ninterfaces = ["mac:%s"]\n' $MAC > $ROOT/etc/eyot/local.toml
        $EYOT --root $ROOT run 2>$ROOT/log & agent=$!
        sent() { cat /sys/class/net/$1/statistics/tx_packets; }
        # as it should be: name; says after how many tenths of a second
        right() {
            for tenth in $(seq 1 100); do
                link=$(ip -o link show $1 2>/dev/null || true)
                case "$link" in *MULTICAST*) ;; *NOARP*PROMISC*UP*|*PROMISC*NOARP*UP*)
                    if [ "$(cat /proc/sys/net/ipv6/conf/$1/disable_ipv6)" = 1 ] && nft list table inet eyot | grep -q "oifname.*\"$1\".*drop"; then
                        echo "$2 right $tenth sent $(sent $1)"; return
                    fi;; esac
                sleep 0.1
            done
            echo "$2 WRONG: $link"; tail -3 $ROOT/log
        }
        right mon start
        ip link set mon promisc off; right mon promisc
        ip link set mon arp on multicast on; right mon flags
        echo 0 > /proc/sys/net/ipv6/conf/mon/disable_ipv6; ip link set mon down; right mon down
        ip link set mon down; ip link set mon name span0; ip link set span0 up; right span0 renamed
        ip link set monpeer down; sleep 0.5; ip link set monpeer up; right span0 flap
        ip link del span0; sleep 1
        nft list table inet eyot | grep -c span0 || echo "gone from the rules"
        ip link add span0 address $MAC type veth peer name monpeer; ip link set monpeer up; right span0 recreated
        # the driver comes back under another name, and something brings it up at once with all it can say
        ip link del span0; ip link add mon address $MAC type veth peer name monpeer; ip link set monpeer up; right mon other-name
        ethtool -K mon gro on; sleep 2; ethtool -k mon | grep '^generic-receive-offload'
        kill -0 $agent && echo "the daemon lives"; grep -ci 'panicked' $ROOT/log || true
        "#,
    );
    for change in ["start", "promisc", "flags", "down", "renamed", "flap", "recreated", "other-name"] {
        let line = out.lines().find(|l| l.starts_with(&format!("{change} "))).unwrap_or_default();
        let words: Vec<&str> = line.split(' ').collect();
        assert_eq!((words.get(1), words.last()), (Some(&"right"), Some(&"0")), "{change}: {out}");
        // the start is slower: it listens first; a loaded machine is granted five seconds for the others
        let tenths: u32 = words[2].parse().unwrap();
        assert!(change == "start" || tenths <= 50, "{change} took {tenths} tenths of a second: {out}");
    }
    for words in ["gone from the rules", "generic-receive-offload: off", "the daemon lives"] {
        assert!(out.contains(words), "{words} is not in: {out}");
    }
}

/// Nobody has told the rules of it yet, nobody watches, and something brings it up with all it can say.
#[test]
fn an_adapter_that_comes_back_under_a_name_the_rules_do_not_know_says_nothing() {
    let out = in_namespace(
        r#"
        $EYOT --root $ROOT run --once 2>/dev/null
        ip addr add 192.0.2.1/24 dev mgmt; ip link set mgmt up
        sent() { cat /sys/class/net/$1/statistics/tx_packets; }
        # a datagram to each, and a question by ARP
        speak() { # the adapter, an address beyond it
            python3 -c 'import socket, sys
for family, to in ((socket.AF_INET, sys.argv[2]), (socket.AF_INET6, "ff02::1%" + sys.argv[1])):
    try: socket.socket(family, socket.SOCK_DGRAM).sendto(b"x", socket.getaddrinfo(to, 53, family)[0][4])
    except OSError: pass' $1 $2
            ip neigh replace $2 lladdr 02:00:00:00:00:09 dev $1 nud probe; sleep 0.5
        }
        returns() { # the name, what for
            ip link add $1 type veth peer name peer-$1; ip link set peer-$1 up
            ip addr add 198.51.100.1/24 dev $1; ip -6 addr add 2001:db8::1/64 dev $1 nodad
            ip link set $1 multicast on arp on up; sleep 1; speak $1 198.51.100.2
            echo "$2 sent: $(sent $1)"; ip link del $1
        }
        ip link del mon
        returns span7 with
        # the management adapter asks for its neighbours as ever
        before=$(sent mgmt); ip neigh replace 192.0.2.77 lladdr 02:00:00:00:00:0a dev mgmt nud probe; sleep 0.5
        echo "management asked: $(( $(sent mgmt) > before ))"
        # proof that it would have spoken
        nft delete table arp eyot; returns span8 without-arp-rules
        nft flush ruleset; returns span9 without
        "#,
    );
    assert!(out.contains("with sent: 0\n") && out.contains("management asked: 1\n"), "{out}");
    assert!(!out.contains("without-arp-rules sent: 0\n") && !out.contains("without sent: 0\n"), "{out}");
}

/// Every port, from both sides of the management adapter and from the monitored network.
#[test]
fn a_port_scan_finds_what_is_meant_and_nothing_else() {
    let out = in_namespace(
        r#"
        $EYOT --root $ROOT run --once 2>/dev/null
        mount -t tmpfs tmpfs /run; ip netns add far; ip netns add plant
        ip link set mgmtpeer netns far; ip link set monpeer netns plant
        ip addr add 192.0.2.1/24 dev mgmt; ip -6 addr add 2001:db8::1/64 dev mgmt nodad; ip link set mgmt up
        far="ip netns exec far"; plant="ip netns exec plant"
        $far sh -ec 'ip link set lo up; ip addr add 192.0.2.2/24 dev mgmtpeer; ip -6 addr add 2001:db8::2/64 dev mgmtpeer nodad; ip link set mgmtpeer up'
        # both ends know each other without asking, so that no first packet waits for an answer
        a=$(cat /sys/class/net/mgmt/address); b=$($far cat /sys/class/net/mgmtpeer/address)
        for two in 192.0.2.2 2001:db8::2; do ip neigh replace $two lladdr $b dev mgmt nud permanent; done
        for one in 192.0.2.1 2001:db8::1; do $far ip neigh replace $one lladdr $a dev mgmtpeer nud permanent; done
        # somebody gives the monitored adapter an address, and here too both ends know each other without asking
        near=$(cat /sys/class/net/mon/address); peer=$($plant cat /sys/class/net/monpeer/address)
        ip addr add 198.51.100.1/24 dev mon; ip neigh replace 198.51.100.2 lladdr $peer dev mon nud permanent
        $plant sh -ec "ip link set lo up; ip addr add 198.51.100.2/24 dev monpeer; ip link set monpeer up
            ip neigh replace 198.51.100.1 lladdr $near dev monpeer nud permanent; ip route add 192.0.2.1 via 198.51.100.1"
        sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.mon.rp_filter=0 net.ipv4.conf.mgmt.rp_filter=0
        # what arrives at one place while something is sent at another
        watch() { # place, protocol, command...
            where=$1 protocol=$2; shift 2; rm -f $ROOT/seen
            $where python3 $SCAN arrives $protocol > $ROOT/seen & watcher=$!
            until grep -qs listening $ROOT/seen; do sleep 0.05; done
            "$@" >/dev/null 2>&1 || true
            kill $watcher; wait $watcher; sed -n 2p $ROOT/seen
        }
        echo "tcp in: $($far python3 $SCAN tcp 192.0.2.1)"
        echo "tcp in, IPv6: $($far python3 $SCAN tcp 2001:db8::1 9000)"
        echo "tcp out: $(python3 $SCAN tcp 192.0.2.2)"
        echo "tcp out, IPv6: $(python3 $SCAN tcp 2001:db8::2 9000)"
        echo "udp in: $(watch '' udp $far python3 $SCAN send 192.0.2.1)"
        echo "udp in from 67: $(watch '' udp $far python3 $SCAN send 192.0.2.1 67)"
        echo "udp out: $(watch "$far" udp python3 $SCAN send 192.0.2.2)"
        echo "udp out from 68: $(watch "$far" udp python3 $SCAN send 192.0.2.2 68)"
        plant_side() {
            echo "$1 tcp from the plant: $(watch '' tcp $plant python3 $SCAN tcp 198.51.100.1 4000)"
            echo "$1 tcp from the plant to management: $(watch '' tcp $plant python3 $SCAN tcp 192.0.2.1 4000)"
            echo "$1 udp from the plant: $(watch '' udp $plant python3 $SCAN send 198.51.100.1)"
            echo "$1 udp to the plant: $(watch "$plant" udp python3 $SCAN send 198.51.100.2)"
            echo "$1 tcp to the plant: $(watch "$plant" tcp python3 $SCAN tcp 198.51.100.2 4000)"
            ping -c1 -W1 198.51.100.2 >/dev/null 2>&1 || true; $plant ping -c1 -W1 198.51.100.1 >/dev/null 2>&1 || true
            echo "$1 sent: $(cat /sys/class/net/mon/statistics/tx_packets)"
        }
        plant_side with
        # the same without the rules: proof that the scanner would have found it
        nft flush ruleset
        plant_side without
        echo "without tcp in: $($far python3 $SCAN tcp 192.0.2.1)"
        "#,
    );
    let said = |what: &str| {
        let line = out.lines().find_map(|l| l.strip_prefix(&format!("{what}: ")));
        line.unwrap_or_else(|| panic!("no {what} in: {out}")).to_owned()
    };
    for (what, open) in [
        ("tcp in", "443"),
        ("tcp in, IPv6", "443"),
        ("tcp out", "53 443"),
        ("tcp out, IPv6", "53 443"),
        ("udp in", "none"),
        ("udp in from 67", "68"),
        ("udp out", "53 123"),
        ("udp out from 68", "53 67 123"),
        ("with tcp from the plant", "none"),
        ("with tcp from the plant to management", "none"),
        ("with udp from the plant", "none"),
        ("with udp to the plant", "none"),
        ("with tcp to the plant", "none"),
        ("with sent", "0"),
        ("without tcp in", "65535 ports"),
    ] {
        assert_eq!(said(what), open, "{what}: {out}");
    }
    for what in
        ["tcp from the plant", "tcp from the plant to management", "udp from the plant", "udp to the plant"]
    {
        assert!(said(&format!("without {what}")).ends_with(" ports"), "{what} proves nothing: {out}");
    }
    assert_ne!(said("without sent"), "0", "{out}");
}

#[test]
fn p13_several_queues_become_one_and_again_when_somebody_changes_it() {
    let out = in_namespace(
        r#"
        ip link del mon; ip link add mon numrxqueues 4 numtxqueues 4 type veth peer name monpeer numrxqueues 4 numtxqueues 4
        ip link set monpeer up
        queues() { ethtool -l mon | awk '/^Current/ { now = 1 } now && /^RX:/ { print $2 }'; }
        echo "--before"; queues
        $EYOT --root $ROOT run --once 2>$ROOT/log; echo "--after"; queues
        ethtool -L mon rx 2; $EYOT --root $ROOT run --once 2>$ROOT/log; echo "--again"; queues
        grep -o 'mon: .*' $ROOT/log
        "#,
    );
    assert!(out.contains("--before\n4\n--after\n1\n--again\n1\nmon: one receive queue\n"), "{out}");
}

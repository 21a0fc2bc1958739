# shellcheck shell=bash
# A portal and a sensor on this machine, in a folder of their own: the parts that scripts/demo and scripts/check-browser
# share. The sensor is the real eyot-sensor, enrolled by the real eyot-appliance below a folder instead of /, and listens
# to a cable whose other end is in a network namespace where a capture is played. Sourced after run.sh and setup.sh.

# Names of the cable and the namespace carry the process that made them, so that two runs do not meet.
readonly DEMO_NAMESPACE=eyot-demo-$$
readonly DEMO_MONITOR=eyd$$
readonly DEMO_CAPTURE=$ROOT/tests/fixtures/office/office.pcap
DEMO_PIDS=()

demo_build() {
  need_rust
  (cd "$ROOT" && cargo build --quiet --locked -p eyot-portal -p eyot-appliance -p eyot-sensor) >&2 || die "the programs could not be built; cargo's words are above"
  DEMO_BIN=$TARGET_DIR/debug
}

# A portal without accounts that answers at localhost:PORT.
demo_portal() { # FOLDER PORT
  "$DEMO_BIN/eyot-portal" init --data "$1/portal" --address "https://localhost:$2" >"$1/init.log" || die "the portal could not be made"
  "$DEMO_BIN/eyot-portal" serve --data "$1/portal" --listen "127.0.0.1:$2" >"$1/portal.log" 2>&1 &
  DEMO_PIDS+=($!)
  local left=100
  until curl --silent --fail --cacert "$1/portal/ca.pem" --output /dev/null "https://localhost:$2/healthz"; do
    kill -0 "${DEMO_PIDS[-1]}" 2>/dev/null || die "the portal ended: $(tail -n 1 "$1/portal.log")"
    ((left-- > 0)) || die "the portal does not answer on port $2; its words are in $1/portal.log"
    sleep 0.1
  done
}

# Activates with the token in FOLDER/token, lays the cable and plays the capture over and over. With BUNDLES the sensor reports
# to nobody and writes files there.
demo_sensor() { # FOLDER PORT [BUNDLES]
  local identity=$1/root/var/lib/eyot/identity
  mkdir -p "$1/root/etc"
  "$DEMO_BIN/eyot-appliance" --root "$1/root" activate --token-file "$1/token" >"$1/activate.log" 2>&1 || die "not activated: $(tail -n 1 "$1/activate.log")"
  rm -f "$1/token"
  ip netns add "$DEMO_NAMESPACE"
  ip netns exec "$DEMO_NAMESPACE" sysctl -qw net.ipv6.conf.default.disable_ipv6=1
  ip netns exec "$DEMO_NAMESPACE" ip link add mirror type veth peer name "$DEMO_MONITOR" netns 1
  # as a monitoring port of the appliance: it hears, answers nothing and has no address
  sysctl -qw "net.ipv6.conf.$DEMO_MONITOR.disable_ipv6=1"
  ip link set "$DEMO_MONITOR" arp off up
  ip netns exec "$DEMO_NAMESPACE" ip link set mirror up
  cat >"$1/sensor.toml" <<END
version = 1
interfaces = ["$DEMO_MONITOR"]
ring_mib = 8
database = "$1/inventory.sqlite"
status = "$1/status.json"
[findings]
learning_hours = 0
END
  if [[ -n ${3:-} ]]; then
    cat >>"$1/sensor.toml" <<END
[bundles]
folder = "$3"
certificate_file = "$identity/certificate.pem"
key_file = "$identity/key.pem"
END
  else
    cat >>"$1/sensor.toml" <<END
[portal]
url = "https://localhost:$2"
ca_file = "$identity/ca.pem"
certificate_file = "$identity/certificate.pem"
key_file = "$identity/key.pem"
upload_interval_seconds = 2
settings_interval_seconds = 2
END
  fi
  "$DEMO_BIN/eyot-sensor" run --config "$1/sensor.toml" >"$1/sensor.log" 2>&1 &
  DEMO_PIDS+=($!)
  sleep 1
  kill -0 "${DEMO_PIDS[-1]}" 2>/dev/null || die "the sensor ended: $(tail -n 1 "$1/sensor.log")"
  ip netns exec "$DEMO_NAMESPACE" tcpreplay --quiet --loop=0 --multiplier=10 -i mirror "$DEMO_CAPTURE" >"$1/replay.log" 2>&1 &
  DEMO_PIDS+=($!)
}

# Ends what was started and takes the cable away.
demo_end() {
  if ((${#DEMO_PIDS[@]})); then
    kill "${DEMO_PIDS[@]}" 2>/dev/null || true
    wait "${DEMO_PIDS[@]}" 2>/dev/null || true
  fi
  if ip netns pids "$DEMO_NAMESPACE" >/dev/null 2>&1; then ip netns del "$DEMO_NAMESPACE" || true; fi
}

# An appliance whose page is looked at with curl; $EYOT is the program, $ROOT an empty root directory.
set -eu
mount -t sysfs sysfs /sys; ip link set lo up
ip link add mgmt type veth peer name mgmtpeer
ip link add mon type veth peer name monpeer
ip link set mgmtpeer up; ip link set monpeer up; ip link set mgmt up
ip addr add 192.0.2.10/24 dev mgmt
mkdir -p "$ROOT/etc/eyot" "$ROOT/bin"
printf 'version = 1\n[management]\ninterface = "name:mgmt"\n[capture]\ninterfaces = ["name:mon"]\n' > "$ROOT/etc/eyot/local.toml"
# an appliance, whose unit for the network is enabled
mkdir -p "$ROOT/etc/systemd/system/multi-user.target.wants"
: > "$ROOT/etc/systemd/system/multi-user.target.wants/eyot-network.service"
printf '#!/bin/sh\necho inactive; exit 3\n' > "$ROOT/bin/systemctl"
printf '#!/bin/sh\n' > "$ROOT/bin/agetty"
chmod +x "$ROOT/bin/systemctl" "$ROOT/bin/agetty"
PATH="$ROOT/bin:$PATH"
NOTICE="$ROOT/run/eyot/page.issue"

die() { echo "$*: $(cat "$NOTICE" 2>/dev/null)"; exit 1; }
until_notice() { for _ in $(seq 150); do grep -qs "$1" "$NOTICE" && return; sleep 0.2; done; die "the console never said: $1"; }
field() { sed -n "s/^ *$1 *//p" "$NOTICE"; }

# somebody else has the port first
python3 -c 'import socket, time; s = socket.socket(); s.bind(("0.0.0.0", 443)); s.listen(); time.sleep(600)' &
OTHER=$!
sleep 1
"$EYOT" --root "$ROOT" run 2>> "$ROOT/log" &
AGENT=$!
until_notice 'No page in a browser at 192.0.2.10: another program has port 443'
kill $OTHER
until_notice 'https://192.0.2.10/'
[ "$(stat -c %a "$NOTICE")" = 600 ] || die 'others can read the code'
CODE=$(field 'Set-up code'); FIRST=$(field 'Certificate SHA-256')
echo "code $CODE"

browse() { curl -sk --max-time 30 -b "$ROOT/jar" -c "$ROOT/jar" "$@"; }
browse https://192.0.2.10/ | grep -q 'Set-up code' || die 'no page'
browse -o /dev/null --data-urlencode "code=$CODE" https://192.0.2.10/code
CSRF=$(browse https://192.0.2.10/settings | sed -n 's/.*name="csrf" value="\([^"]*\)".*/\1/p')
[ -n "$CSRF" ] || die 'no form'
browse -o /dev/null --data-urlencode "csrf=$CSRF" -d proxy_url=http://192.0.2.9:3128 -d proxy_username=u -d proxy_password=s3cret \
    -d anyway=on https://192.0.2.10/settings
grep -q s3cret "$ROOT/etc/eyot/page.toml" || die 'nothing was stored'
"$EYOT" --root "$ROOT" settings | grep -q 'proxy.url = http://192.0.2.9:3128    (from /etc/eyot/page.toml)' || die 'not in the report'

kill -9 $AGENT
rm "$NOTICE"
"$EYOT" --root "$ROOT" run 2>> "$ROOT/log" &
until_notice 'https://192.0.2.10/'
[ "$(field 'Certificate SHA-256')" = "$FIRST" ] || die 'another certificate'
[ "$(field 'Set-up code')" != "$CODE" ] || die 'the same code'
grep -q s3cret "$ROOT/etc/eyot/page.toml" || die 'the settings are gone'
browse https://192.0.2.10/settings -o /dev/null -w '%{http_code}\n' | grep -q 303 || die 'a session outlived its agent'
# the address moves, and the page with it
ip addr del 192.0.2.10/24 dev mgmt; ip addr add 192.0.2.11/24 dev mgmt
until_notice 'https://192.0.2.11/'
! grep -q '192.0.2.10' "$NOTICE" || die 'the old address is still told'
# the owner wants the port for something else
sed -i 's/^\[management\]/[management]\npage = "off"/' "$ROOT/etc/eyot/local.toml"
for _ in $(seq 150); do [ -e "$NOTICE" ] || break; sleep 0.2; done
[ ! -e "$NOTICE" ] || die 'the console still tells of a page'
python3 -c 'import socket; s = socket.socket(); s.bind(("192.0.2.11", 443)); s.listen()' || die 'the port is not free'

#!/bin/sh
# Imports @NAME@.ova into ESXi or vCenter with govc, maps its networks, hands over the activation token, and
# opens the capture port groups for mirrored traffic. Safe to run again: what is already there is left as it is.
# GOVC_URL, GOVC_USERNAME, GOVC_PASSWORD (or GOVC_TLS_CA_CERTS...) say where to; see `govc env`.
set -eu

usage() {
    cat <<'TEXT'
usage: import-esxi.sh --management NETWORK --capture NETWORK [options]

  --management NETWORK   port group through which the sensor reaches its portal
  --capture NETWORK      port group with mirrored traffic; once per capture adapter (@CAPTURE_NICS@)
  --token-file FILE      file with the activation token, - for standard input
  --hostname NAME        host name of the sensor
  --tier TIER            one of: @TIER_IDS@ (default: the first)
  --vm NAME              name of the virtual machine (default: @NAME@)
  --ova FILE             archive to import (default: @NAME@.ova beside this script)
  --datastore NAME       datastore (default: govc's own)
  --keep-port-groups     leave the capture port groups' policy and VLAN as they are
  --power-on             start the virtual machine at the end
  --dry-run              say what would be done, change nothing

example:
  ./import-esxi.sh --management 'VM Network' --capture SPAN --token-file token.txt --power-on
TEXT
}

fail() {
    printf 'import-esxi.sh: %s\n' "$*" >&2
    exit 1
}

# Runs a command that changes something, or says it.
change() {
    if [ "$dry_run" = yes ]; then
        printf 'would run: %s\n' "$*"
    else
        "$@"
    fi
}

# A text as a JSON string's content.
json() {
    printf '%s' "$1" | sed -e 's/\\/\\\\/g' -e 's/"/\\"/g'
}

management='' capture='' captures=0 token_file='' hostname='' tier='' vm='@NAME@' datastore=''
ova=$(dirname -- "$0")/@NAME@.ova
keep_port_groups=no power_on=no dry_run=no
newline='
'
while [ $# -gt 0 ]; do
    case $1 in
    --management | --capture | --token-file | --hostname | --tier | --vm | --ova | --datastore)
        [ $# -ge 2 ] || fail "$1 needs a value"
        ;;
    esac
    case $1 in
    --management) management=$2; shift 2 ;;
    --capture) capture=$capture$2$newline; captures=$((captures + 1)); shift 2 ;;
    --token-file) token_file=$2; shift 2 ;;
    --hostname) hostname=$2; shift 2 ;;
    --tier) tier=$2; shift 2 ;;
    --vm) vm=$2; shift 2 ;;
    --ova) ova=$2; shift 2 ;;
    --datastore) datastore=$2; shift 2 ;;
    --keep-port-groups) keep_port_groups=yes; shift ;;
    --power-on) power_on=yes; shift ;;
    --dry-run) dry_run=yes; shift ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; fail "unknown option $1" ;;
    esac
done

[ -n "$management" ] || fail "--management is missing: which port group leads to the portal?"
[ "$captures" -eq @CAPTURE_NICS@ ] || fail "this image has @CAPTURE_NICS@ capture adapter(s), but --capture was given $captures time(s)"
tiers='@TIER_IDS@'
[ -n "$tier" ] || tier=${tiers%% *}
case " $tiers " in *" $tier "*) ;; *) fail "tier $tier is none of: $tiers" ;; esac
[ -r "$ova" ] || fail "cannot read $ova"
command -v govc >/dev/null 2>&1 || fail "govc is missing; see https://github.com/vmware/govmomi"
[ -n "${GOVC_URL:-}" ] || fail "GOVC_URL is not set: where is the ESXi host or vCenter?"
govc about >/dev/null || fail "no answer from $GOVC_URL, or it refused the credentials"

import_vm() {
    # The token must not stand in an argument, where other users see it: it goes through a private file.
    options=$(mktemp)
    trap 'rm -f "$options"' EXIT
    trap 'exit 130' INT TERM
    token=''
    if [ "$token_file" = - ]; then
        token=$(cat)
    elif [ -n "$token_file" ]; then
        token=$(cat -- "$token_file")
    fi
    {
        printf '{"Deployment":"%s","DiskProvisioning":"thin","InjectOvfEnv":true,"MarkAsTemplate":false,' "$tier"
        printf '"PowerOn":false,"Name":"%s","NetworkMapping":[' "$(json "$vm")"
        printf '{"Name":"Management","Network":"%s"}' "$(json "$management")"
        number=0
        printf '%s' "$capture" | while IFS= read -r network; do
            number=$((number + 1))
            printf ',{"Name":"Capture-%s","Network":"%s"}' "$number" "$(json "$network")"
        done
        printf '],"PropertyMapping":['
        separator=''
        if [ -n "$token" ]; then
            printf '{"Key":"@TOKEN_KEY@","Value":"%s"}' "$(json "$token")"
            separator=,
        fi
        if [ -n "$hostname" ]; then
            printf '%s{"Key":"@HOSTNAME_KEY@","Value":"%s"}' "$separator" "$(json "$hostname")"
        fi
        printf ']}\n'
    } >"$options"
    if [ -n "$datastore" ]; then
        change govc import.ova -ds="$datastore" -name="$vm" -options="$options" "$ova"
    else
        change govc import.ova -name="$vm" -options="$options" "$ova"
    fi
}

# Every network is looked for before anything is made: a machine on the wrong network is worse than none.
for_each_network() { # COMMAND: with each network's name as its argument
    printf '%s\n%s' "$management" "$capture" | while IFS= read -r network; do
        "$1" "$network" </dev/null || exit 1
    done
}

network_is_there() {
    [ -n "$(govc find / -type n -type g -type o -name "$1")" ] || fail "there is no network $1"
}

# What `govc host.portgroup.info` says of one standard port group.
port_group() {
    govc host.portgroup.info | awk -v name="$1" '
        /^Name:/ { line = $0; sub(/^Name: */, "", line); here = (line == name) }
        here { print }'
}

is_open() { # text of a port group
    [ "$(printf '%s\n' "$1" | grep -cE '^(Allow (promiscuous mode|forged transmits|MAC changes): +Yes|VLAN ID: +4095)$')" -eq 4 ]
}

# 4095 is "all VLANs, tags kept".
open_port_group() {
    now=$(port_group "$1")
    if [ -z "$now" ]; then
        fail "$1 is no standard port group of the host; if it is a distributed one, use Import-EyotSensor.PowerCLI.ps1, or set promiscuous mode, MAC changes and forged transmits to Accept and the VLAN to trunk 0-4094 by hand and give --keep-port-groups"
    fi
    if is_open "$now"; then
        printf 'port group %s is already open for mirrored traffic\n' "$1"
        return
    fi
    change govc host.portgroup.change -allow-promiscuous=true -mac-changes=true -forged-transmits=true \
        -vlan-id=4095 "$1" || fail "port group $1 was not changed; govc says why above"
    [ "$dry_run" = yes ] || printf 'port group %s is opened for mirrored traffic\n' "$1"
}

for_each_network network_is_there
if [ -n "$(govc find / -type m -name "$vm")" ]; then
    printf 'virtual machine %s is already there; it is not imported again\n' "$vm"
else
    import_vm
fi

if [ "$keep_port_groups" = no ]; then
    printf '%s' "$capture" | while IFS= read -r network; do
        open_port_group "$network" </dev/null || exit 1
    done
fi

if [ "$power_on" = yes ]; then
    case $(govc vm.info "$vm" 2>/dev/null) in
    *poweredOn*) printf 'virtual machine %s is already running\n' "$vm" ;;
    *) change govc vm.power -on "$vm" ;;
    esac
fi
printf 'done\n'

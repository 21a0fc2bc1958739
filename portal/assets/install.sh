#!/bin/sh
# Installs the Eyot sensor on this machine and activates it. Served by the portal at @PORTAL@, with the digests of the
# portal's own packages in it: whoever trusts this text may trust what it installs.
#
# usage:   sh install.sh [--token TOKEN] [--proxy URL] [--ca FILE] [--package FILE]
#
#   --token TOKEN    activation token. Better: the variable EYOT_TOKEN, or nothing (it is then asked for on the
#                    terminal), because every user of a machine can read the arguments of what runs on it
#   --proxy URL      HTTP proxy that leads to the portal, http://[USER:PASSWORD@]HOST:PORT; without it, https_proxy
#   --ca FILE        PEM of the CA that opens TLS on the way, if one does
#   --package FILE   a package that is here already, instead of the portal's; its digest must be one of the portal's
#
# example: curl -fsSk --pinnedpubkey 'sha256//…' @PORTAL@/install | sudo sh -s -- --token eyot1_…
#
# Safe to run twice. Exit codes: 0 installed and activated, 1 not.
set -eu
umask 077

portal='@PORTAL@'
# name and SHA-256 of each package, one a line
packages='@PACKAGES@'
# the key that the portal's certificate has: what curl is to insist on
pin='@PIN@'

say() { printf '%s\n' "eyot: $*" >&2; }
die() { say "$*"; exit 1; }

usage() {
  cat <<USAGE
usage: sh install.sh [--token TOKEN] [--proxy URL] [--ca FILE] [--package FILE]
Installs the Eyot sensor from $portal and activates it. The token is better given as EYOT_TOKEN, or when asked for.
example: curl -fsSk --pinnedpubkey '$pin' $portal/install | sudo sh -s -- --token eyot1_...
USAGE
}

# Everything is in functions and the last line calls them: a text that was cut short on its way does nothing.
main() {
  token=${EYOT_TOKEN:-} proxy=${https_proxy:-${HTTPS_PROXY:-}} ca='' package=''
  unset EYOT_TOKEN
  while [ $# -gt 0 ]; do
    case $1 in
      --help | -h) usage; exit 0 ;;
      --token | --proxy | --ca | --package)
        [ $# -gt 1 ] || die "$1 needs a value; --help shows an example"
        case $1 in
          --token) token=$2 ;;
          --proxy) proxy=$2 ;;
          --ca) ca=$2 ;;
          --package) package=$2 ;;
        esac
        shift 2
        ;;
      *) die "unknown argument; --help lists them" ;;
    esac
  done
  [ "$(id -u)" = 0 ] || die "this installs a package and needs root: run it with sudo"
  check_system
  # cut short, or something else from the clipboard: said before anything is installed
  case $token in
    '' | eyot1_*) ;;
    *) die "this is not an activation token: one starts with eyot1_; copy it again from the portal" ;;
  esac
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  trap 'exit 1' HUP INT TERM
  choose_package
  if is_installed; then
    say "eyot-sensor $version is installed already"
  else
    [ -n "$package" ] || download
    verify
    install_package
  fi
  activate
}

# Debian's kind of system, and an architecture that there is a package for.
check_system() {
  name='this system'
  # shellcheck disable=SC1091 # on the machine that runs this
  if [ -r /etc/os-release ]; then name=$(. /etc/os-release && printf '%s' "${PRETTY_NAME:-$ID}"); fi
  for tool in dpkg apt-get curl sha256sum; do
    command -v "$tool" >/dev/null || die "$name has no $tool; the sensor installs on Debian 12, Ubuntu 18.04 and newer. Elsewhere deploy the appliance's image"
  done
  architecture=$(dpkg --print-architecture)
  glibc=$(ldd --version 2>/dev/null | sed -n '1s/.* \([0-9][0-9.]*\)$/\1/p')
  if [ -n "$glibc" ] && dpkg --compare-versions "$glibc" lt 2.27; then
    die "$name is too old (glibc $glibc; 2.27 is needed, which Ubuntu 18.04 and Debian 10 have)"
  fi
  [ -d /run/systemd/system ] || say "systemd does not run here; the sensor will be installed and not started"
}

# The portal's newest package for this architecture; the portal lists them newest first.
choose_package() {
  line=$(printf '%s\n' "$packages" | sed -n "/_$architecture\\.deb /{p;q;}")
  if [ -z "$line" ]; then
    die "the portal has no package for $architecture; put eyot-sensor_VERSION_$architecture.deb into the portal's folder of packages and run this again"
  fi
  file=${line%% *}
  version=${file#eyot-sensor_}
  version=${version%_"$architecture".deb}
}

is_installed() {
  [ "$(dpkg-query --show --showformat '${db:Status-Status} ${Version}' eyot-sensor 2>/dev/null)" = "installed $version" ]
}

# The proxy's address may hold a password: curl gets it from a file, not as an argument.
curl_options() {
  printf 'fail\nsilent\nshow-error\nretry = 3\nmax-time = 600\n'
  if [ -n "$ca" ]; then
    printf 'cacert = "%s"\n' "$ca"
  else
    printf 'insecure\npinnedpubkey = "%s"\n' "$pin"
  fi
  if [ -n "$proxy" ]; then printf 'proxy = "%s"\n' "$(printf '%s' "$proxy" | sed 's/[\\"]/\\&/g')"; fi
}

download() {
  package=$work/$file
  say "downloading $file"
  curl_options >"$work/curl"
  curl --config "$work/curl" --output "$package" "$portal/install/$file" ||
    die "$file could not be downloaded from $portal (curl says why above); behind a proxy use --proxy, where TLS is inspected --ca"
}

# Exactly what the portal offers, wherever it came from.
verify() {
  [ -r "$package" ] || die "$package cannot be read"
  digest=$(sha256sum <"$package")
  digest=${digest%% *}
  case $packages in
    *" $digest"*) ;;
    *) die "$package is not one of the portal's packages (SHA-256 $digest); download it again" ;;
  esac
}

# The wizard asks on the terminal, if there is one; standard input is this script. What was answered here is not asked again.
install_package() {
  preseed_proxy
  # apt's own user reads the file too
  chmod 755 "$work"
  if [ "$package" = "$work/$file" ]; then chmod 644 "$package"; else package=$(realpath "$package"); fi
  if [ -n "$proxy" ]; then export http_proxy="$proxy" https_proxy="$proxy"; fi
  set -- install -y --no-install-recommends "$package"
  if [ "${DEBIAN_FRONTEND:-}" != noninteractive ] && (: </dev/tty) 2>/dev/null; then
    apt-get "$@" </dev/tty || retry_with_lists "$@"
  else
    export DEBIAN_FRONTEND=noninteractive
    apt-get "$@" </dev/null || retry_with_lists "$@"
  fi
}

retry_with_lists() {
  apt-get update || die "apt could not refresh its lists; its words are above"
  apt-get "$@" </dev/null || die "the package was not installed; apt's words are above. Run this again afterwards"
}

preseed_proxy() {
  [ -n "$proxy" ] && command -v debconf-set-selections >/dev/null || return 0
  address=${proxy#*://}
  address=${address%%/*}
  credentials=''
  case $address in
    *@*) credentials=${address%@*} address=${address##*@} ;;
  esac
  {
    printf 'eyot-sensor eyot-sensor/proxy boolean true\n'
    printf 'eyot-sensor eyot-sensor/proxy-host string %s\n' "${address%:*}"
    case $address in
      *:*) printf 'eyot-sensor eyot-sensor/proxy-port string %s\n' "${address##*:}" ;;
    esac
    if [ -n "$credentials" ]; then
      printf 'eyot-sensor eyot-sensor/proxy-username string %s\n' "${credentials%%:*}"
      printf 'eyot-sensor eyot-sensor/proxy-password password %s\n' "${credentials#*:}"
    fi
  } | debconf-set-selections
}

activate() {
  if [ -z "$token" ]; then
    if (: </dev/tty) 2>/dev/null; then
      printf 'Activation token: ' >/dev/tty
      stty -echo </dev/tty
      read -r token </dev/tty || true
      stty echo </dev/tty
      printf '\n' >/dev/tty
    else
      die "installed and not activated: no token was given. Run: eyot-appliance activate --token-file -"
    fi
  fi
  # by a pipe; printf is the shell's own and appears in no list of processes
  printf '%s' "$token" | eyot-appliance activate --token-file - || die "installed and not activated; the line above says why. Run this again afterwards"
  token=''
  say "done; \`eyot-appliance status\` says how the sensor is"
}

main "$@"

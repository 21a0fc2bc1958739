# shellcheck shell=bash
# What this machine's apt knows and a fresh apt (a bootstrap, a source fetch) has to be told. Sourced.
# Mirrors are read from the machine at run time; none is written in this repository.

# Prints, as apt.conf lines, the options of this machine that decide whether a mirror can be reached and believed.
apt_options_of_this_machine() {
  apt-config dump --no-empty 'Acquire' |
    grep -E '^Acquire::(Check-Valid-Until|Check-Date|Retries|(http|https)(::[^ ]+)?::(Proxy|CaInfo|Verify-Peer)|(http|https)::Proxy) ' |
    sed 's/;$//' || true
}

# Prints the distinct "URI release component origin" lines of this machine's binary package lists.
apt_mirrors_of_this_machine() {
  # shellcheck disable=SC2016 # the $(…) are apt's
  apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT) $(ORIGIN)' 'Created-By: Packages' | sort -u
}

# Prints deb-src lines for the distribution's archives that this machine installs from.
source_lists_of_this_machine() {
  local uri release component origin key
  while read -r uri release component origin; do
    if [[ $component != main || ! $origin =~ ^(Debian|Ubuntu)$ ]]; then continue; fi
    # Where the distribution keeps its key today; older ones trust it without being told.
    key=/usr/share/keyrings/${origin,,}-archive-keyring.gpg
    if [[ -e $key ]]; then key="[signed-by=$key] "; else key=''; fi
    printf 'deb-src %s%s %s main\n' "$key" "$uri" "$release"
  done < <(apt_mirrors_of_this_machine)
}

# Prints sources.list lines for a Debian SUITE (with its updates and security suites): from EYOT_DEBIAN_MIRROR when set,
# else from this machine's own sources when it is a Debian, else nothing, which lets mmdebstrap use the mirror it knows.
debian_sources() { # SUITE
  local suite=$1 uri release component lines=
  if [[ -n ${EYOT_DEBIAN_MIRROR:-} ]]; then
    printf 'deb %s %s main\n' "$EYOT_DEBIAN_MIRROR" "$suite"
    return
  fi
  while read -r uri release component _; do
    if [[ $component == main && $release == "$suite"* ]]; then lines+="deb $uri $release main"$'\n'; fi
  done < <(apt_mirrors_of_this_machine)
  printf '%s' "$lines"
}

# shellcheck shell=bash
# A PostgreSQL server for the length of one command: on the loopback, in a folder that goes away with it. Sourced after
# run.sh.

# Debian keeps the server's programs out of the path, a folder for each version.
postgres_programs() {
  local -a found
  mapfile -t found < <(compgen -G '/usr/lib/postgresql/*/bin/initdb' | sort -V)
  ((${#found[@]} > 0)) || die "there is no PostgreSQL server here; install the package postgresql"
  dirname "${found[-1]}"
}

# The server refuses to be root.
as_postgres() {
  if ((EUID == 0)); then runuser -u postgres -- "$@"; else "$@"; fi
}

start_postgres() { # PROGRAMS FOLDER PORT
  as_postgres "$1/initdb" --pgdata="$2/data" --auth=trust --encoding=UTF8 --locale=C.UTF-8 &&
    as_postgres "$1/pg_ctl" --pgdata="$2/data" --log="$2/log" --wait --silent \
      --options="-p $3 -h 127.0.0.1 -k $2 -c max_connections=400" start
}

# Runs a command with EYOT_TEST_POSTGRES naming the server.
with_postgres() { # COMMAND...
  local programs folder port status=0
  programs=$(postgres_programs)
  folder=$(mktemp -d /tmp/eyot-postgres.XXXXXX)
  if ((EUID == 0)); then chown postgres "$folder"; fi
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  if ! start_postgres "$programs" "$folder" "$port" >"$folder.log" 2>&1; then
    cat "$folder.log" >&2
    rm -rf "$folder" "$folder.log"
    return 1
  fi
  local user=postgres
  if ((EUID != 0)); then user=$(id -un); fi
  EYOT_TEST_POSTGRES="postgres://$user@127.0.0.1:$port/postgres" "$@" || status=$?
  as_postgres "$programs/pg_ctl" --pgdata="$folder/data" --mode=immediate --silent stop >>"$folder.log" 2>&1 || true
  rm -rf "$folder" "$folder.log"
  return "$status"
}

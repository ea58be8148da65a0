#!/bin/bash
# test/demo does what the README says of it, with the program of this build:
# once in front of a PostgreSQL of its own, and at the same time a second one in
# front of the first, which is what DB_HOST in the environment asks for. Both
# leave nothing behind.
#
# Run by `make check`, which sets top_srcdir and top_builddir.

set -u
: "${top_srcdir:=.}" "${top_builddir:=.}"
unset DB_HOST DB_PORT DB_NAME DB_USER DB_PASSWORD DB_PASSWORD_FILE
export POOLER_BIN=${POOLER_BIN-$top_builddir/pooler}

if ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 &&
    ! command -v pg_config >/dev/null; then
	echo "no PostgreSQL server here (Debian: postgresql)"
	exit 77
fi

# Everything that the demo makes has this directory in its name.
TMPDIR=$(mktemp -d /tmp/pooler-check.XXXXXX) || exit 1
export TMPDIR
chmod 755 "$TMPDIR"
first=
cleanup()
{
	[ -z "$first" ] || { kill "$first" && wait "$first"; } 2>/dev/null
	rm -rf "$TMPDIR"
}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM

fail()
{
	echo "check_demo: $*" >&2
	tail -n 50 "$TMPDIR"/*.out >&2
	exit 1
}

# has FILE PATTERN...: all of them
has()
{
	local file=$1 pattern
	shift
	for pattern; do
		grep -q -- "$pattern" "$file" ||
		    fail "no \"$pattern\" in what it said"
	done
}

out=$TMPDIR/first.out
: >"$out"
LISTEN_PORT=$((20000 + RANDOM % 12000)) "$top_srcdir/test/demo" \
    >"$out" 2>&1 </dev/null &
first=$!
tries=900
until grep -q 'Ctrl-C stops it' "$out"; do
	kill -0 "$first" 2>/dev/null || fail "it ended by itself"
	tries=$((tries - 1))
	[ $tries -gt 0 ] || fail "it is not up after 90 seconds"
	sleep 0.1
done
has "$out" '^ *database  *|.*cl_active' tps '^  psql' '^  application' \
    '^  console'

# The line for an application is good as it stands.
application=$(sed -n 's/^  application  *//p' "$out")
psql=$(sed -n 's/^  psql  *//p' "$out")
console=$(sed -n 's/^  console  *//p' "$out")
[ "$(eval "$psql -XAtc 'SELECT 6*7'")" = 42 ] || fail "the psql line fails"
eval "$console -XAtc 'SHOW VERSION'" | grep -q . ||
    fail "the console line fails"
(eval "export $application"
LISTEN_PORT=$((20000 + RANDOM % 12000))
export LISTEN_PORT
exec "$top_srcdir/test/demo" --once) >"$TMPDIR/second.out" 2>&1 </dev/null ||
    fail "in front of DB_HOST it failed"
has "$TMPDIR/second.out" '^ *database  *|.*cl_active' tps '^  psql' \
    '^  application' '^  console'
secret=${application##*DB_PASSWORD=}
! grep -qF -- "$secret" "$TMPDIR/second.out" ||
    fail "it showed a password that is not its own"

kill "$first"
wait "$first"
status=$?
first=
[ $status = 143 ] || fail "stopped by SIGTERM it ended with status $status"
left=$(ls -d "$TMPDIR"/pooler-demo.* 2>/dev/null)
[ -z "$left" ] || fail "left behind: $left"
left=$(for process in /proc/[0-9]*; do
	command=$(cat "$process/cmdline" 2>/dev/null | tr '\0' ' ')
	[[ $command != *"$TMPDIR"* ]] || echo "$command"
done)
[ -z "$left" ] || fail "left running: $left"
echo "both demos worked and left nothing"

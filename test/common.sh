# Shared by test/demo and test/run, which source it: packages, building, and a
# PostgreSQL to throw away. For bash.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say()
{
	printf '%s\n' "$*"
}

die()
{
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

as_root()
{
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		die "cannot install packages: neither root nor sudo here; missing:" \
		    "$missing"
	fi
}

# need_packages NAME...: installs what is missing, and costs nothing when
# nothing is.
need_packages()
{
	local missing drop_in
	if ! command -v dpkg-query >/dev/null; then
		say "not a Debian system: taking it that these are here: $*"
		return
	fi
	missing=$(comm -23 <(printf '%s\n' "$@" | sort -u) \
	    <(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" \
	    2>/dev/null | sed -n 's/^installed //p' | sort -u) | xargs)
	[ -n "$missing" ] || return 0
	say "installing: $missing"
	# Debian's server packages create and start a cluster on port 5432.
	# Nobody asked for that one, so it is ruled out for this one call.
	drop_in=/etc/postgresql-common/createcluster.d/pooler.conf
	case " $missing " in
	*" postgresql "*)
		as_root mkdir -p "${drop_in%/*}"
		say 'create_main_cluster = false' |
		    as_root tee $drop_in >/dev/null ;;
	*)
		drop_in= ;;
	esac
	# shellcheck disable=SC2086 # a list of words
	if ! as_root env DEBIAN_FRONTEND=noninteractive sh -c '
		apt-get update -q && exec apt-get install -q -y \
		    --no-install-recommends "$@"' sh $missing \
	    >"$work/apt.log" 2>&1; then
		[ -z "$drop_in" ] || as_root rm -f $drop_in
		tail -n 20 "$work/apt.log" >&2
		die "could not install: $missing"
	fi
	[ -z "$drop_in" ] || as_root rm -f $drop_in
	hash -r
}

# What a build takes. libc6-dev is only recommended by gcc.
build_packages='gcc libc6-dev make automake pkg-config
    libevent-dev libssl-dev libc-ares-dev libidn-dev libldap-dev
    libpam0g-dev'

# build_in DIR OPTION...: configures once, then compiles what has changed. A
# tree that was configured in place cannot be built elsewhere as well: then it
# is built where it is. Sets `build`.
build_in()
{
	build=$top/$1
	shift
	if [ -f "$top/config.status" ]; then
		build=$top
		say "this tree is configured in place: building it as it is"
	fi
	mkdir -p "$build"
	say "building in $build"
	if ! {
		{ [ -x "$top/configure" ] || "$top/autogen.sh"; } &&
		    cd "$build" &&
		    { [ -f Makefile ] || "$top/configure" "$@"; } &&
		    make -j "$(nproc)"
	} >"$build/build.log" 2>&1; then
		tail -n 30 "$build/build.log" >&2
		die "the build failed; all of it: $build/build.log"
	fi
	cd "$top" || exit 1
}

# free_port FIRST: a port of 127.0.0.1 that nobody listens on, from FIRST up.
free_port()
{
	local port=$1
	while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
		port=$((port + 1))
	done
	echo "$port"
}

# One of many, and not of those that outgoing connections get.
random_port()
{
	free_port $((20000 + RANDOM % 12000))
}

# Where PostgreSQL's own programs are: the newest that is installed.
pg_bin()
{
	local dir
	dir=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
	[ -n "$dir" ] || dir=$(pg_config --bindir 2>/dev/null)
	[ -x "$dir/initdb" ] || die "no PostgreSQL server found (initdb)"
	echo "$dir"
}

# PostgreSQL and the pooler refuse to be root.
unprivileged_user()
{
	if [ "$(id -u)" != 0 ]; then
		id -un
	elif id postgres >/dev/null 2>&1; then
		echo postgres
	else
		echo nobody
	fi
}

# as_user USER COMMAND...: in this very process, so that $! is the command's.
as_user()
{
	local user=$1
	shift
	if [ "$(id -u)" = 0 ]; then
		exec setpriv --reuid="$user" --regid="$(id -g "$user")" \
		    --clear-groups -- "$@"
	fi
	exec "$@"
}

#!/bin/sh
# Keeps src/LAYERS: no module calls or includes a later one, every source file
# has its place in the list, and what calls itself pure is.
#
# Calls are read from the object files (nm), so that a declaration copied by
# hand counts as well. A pure module (proto and policy) may not have variables,
# nor ask the system for anything but memory; clocks, sockets, files and the log
# belong to others.
#
# usage: check_layers.sh [BUILD-DIR]
# Run by `make check`, which sets top_srcdir, top_builddir and NM.

: "${top_srcdir:=.}" "${NM:=nm}"
build=${1:-${top_builddir:-.}}
layers=$top_srcdir/src/LAYERS

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# Everything becomes lines of facts, and one awk program judges them:
#   source MODULE                  src/MODULE.c is there
#   header MODULE                  so is MODULE.h
#   include FILE MODULE HEADER     FILE, part of MODULE, includes "HEADER.h"
#   symbol MODULE CLASS NAME SECTION   a symbol of the object file, as nm says
facts=$work/facts
(cd "$top_srcdir/src" && find . -name '*.c') |
    sed -n 's,^\./\(.*\)\.c$,source \1,p' >"$facts"
for root in src include; do
	(cd "$top_srcdir/$root" && find . -name '*.h') |
	    sed -n 's,^\./\(.*\)\.h$,header \1,p' >>"$facts"
	(cd "$top_srcdir/$root" && find . -name '*.[ch]' -exec \
	    grep -H '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' {} +) |
	    sed -n 's,^\./\(\(.*\)\.[ch]\):[^"]*"\([^"]*\)\.h".*,include '$root'/\1 \2 \3,p' \
	    >>"$facts"
done
objects=0
for module in $(sed -n 's/^source //p' "$facts"); do
	object=$build/src/$module.o
	[ -f "$object" ] || continue
	objects=$((objects + 1))
	# name|value|class|type|size|line|section
	"$NM" -f sysv "$object" | tr -d ' ' |
	    awk -F'|' -v m="$module" 'NF == 7 && $3 != "" {
		print "symbol", m, $3, $1, $7 }' >>"$facts"
done
if [ "$objects" = 0 ]; then
	echo "no object files under $build/src: run make first" >&2
	exit 1
fi

sed 's/#.*//' "$layers" | awk -v objects="$objects" '
function complain(text) {
	print text
	bad++
}

# What a pure module may not call: clock, log, files, sockets, threads, output.
BEGIN {
	n = split("time gettimeofday clock_gettime clock_mono_us " \
	    "clock_wall_us nanosleep usleep sleep getenv secure_getenv " \
	    "open open64 openat fopen fopen64 read write close socket " \
	    "connect bind listen accept accept4 send recv sendmsg recvmsg " \
	    "poll epoll_wait getaddrinfo printf puts fprintf vfprintf " \
	    "fputs fwrite stdout stderr syslog pthread_create " \
	    "pthread_mutex_lock stat fstat lstat __printf_chk " \
	    "__fprintf_chk __vfprintf_chk rand random srand srandom", list, " ")
	for (i = 1; i <= n; i++)
		impure[list[i]] = 1
	# What OpenSSL makes once for the whole process.
	kept["proto/digest fetch_once"] = kept["proto/digest md5"] = 1
	kept["proto/digest sha256"] = 1
}

FILENAME == "-" {
	if (/^[^ \t]/)
		line = FNR
	for (i = 1; i <= NF; i++) {
		if ($i in rank)
			complain("src/LAYERS: " $i " stands there twice")
		rank[$i] = line
		listed[$i] = 1
	}
	next
}

$1 == "source" || $1 == "header" {
	exists[$2] = 1
	if ($1 == "source")
		is_source[$2] = 1
	if (!($2 in rank) && !($2 in told)) {
		complain($2 ": not in src/LAYERS")
		told[$2] = 1
	}
	next
}

$1 == "include" {
	# A header beside its user may be named without its folder.
	target = $4
	if (!(target in rank)) {
		folder = $3
		sub(/[^\/]*$/, "", folder)
		if ((folder target) in rank)
			target = folder target
		else
			next
	}
	if (($3 in rank) && rank[target] > rank[$3])
		complain($2 ": includes " target ".h, which stands later")
	next
}

$1 == "symbol" {
	if ($3 == "U") {
		needs[++n_needs] = $2 " " $4
	} else if ($3 ~ /^[A-TV-Z]$/) {
		if (($4 in home) && $3 !~ /^[VW]$/)
			complain($4 ": defined in " home[$4] " and " $2)
		home[$4] = $2
	}
	# Tables of constant pointers are in .data.rel.ro, and fine.
	if ($2 ~ /^(proto|policy)\// && $5 ~ /^\.(bss|data)$/ &&
	    !(($2 " " $4) in kept))
		complain($2 ": " $4 " is a variable in a pure module")
	next
}

END {
	for (name in listed)
		if (!(name in exists))
			complain("src/LAYERS: there is no " name)
	for (i = 1; i <= n_needs; i++) {
		split(needs[i], pair, " ")
		user = pair[1]
		symbol = pair[2]
		if (user ~ /^(proto|policy)\//) {
			if (symbol in impure)
				complain(user ": calls " symbol \
				    " in a pure module")
			if (home[symbol] == "base/log")
				complain(user ": calls " symbol \
				    " of base/log in a pure module")
		}
		if (!(symbol in home) || !(user in rank))
			continue
		calls++
		if (rank[home[symbol]] > rank[user])
			complain(user ": calls " symbol " of " home[symbol] \
			    ", which stands later")
	}
	if (bad)
		exit 1
	print objects " objects, " calls + 0 " calls between them: in order"
}
' - "$facts"

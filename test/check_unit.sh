#!/bin/sh
# The service unit says what systemd understands, and its sandbox is as tight
# as it was: `systemd-analyze security` gives it at most 1.5 of 10.
#
# Run by `make check`; needs systemd-analyze, but no systemd that runs.

: "${top_builddir:=.}" "${top_srcdir:=.}"

if ! command -v systemd-analyze >/dev/null 2>&1; then
	echo "skipped: no systemd-analyze here"
	exit 77
fi

dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
# The program need not be installed to look at its unit.
sed "s|^ExecStart=[^ ]*|ExecStart=/bin/true|" \
    "$top_builddir/etc/pooler.service" >"$dir/pooler.service" || exit 1
cp "$top_srcdir/etc/pooler.socket" "$dir" || exit 1

status=0
out=$(systemd-analyze verify --man=no --recursive-errors=no \
    "$dir/pooler.service" "$dir/pooler.socket" 2>&1 | grep "^$dir")
if [ -n "$out" ]; then
	echo "$out"
	status=1
fi
if ! systemd-analyze security --offline=true --threshold=15 \
    "$dir/pooler.service" >"$dir/out" 2>&1; then
	cat "$dir/out"
	status=1
fi
tail -n 1 "$dir/out"
exit $status

#!/bin/sh
# Every test that doc/security.md names is there. A name is a word in
# backquotes in the last column of a table.
#
# Run by `make check`, which sets top_srcdir.

: "${top_srcdir:=.}"
doc=$top_srcdir/doc/security.md

# Names of tests, and of the fuzz targets.
known=$(find "$top_srcdir/test" -name '*.c' -exec \
    sed -n 's/^\(START_TEST *(\|SCENARIO(\)\([a-z_0-9]*\).*/\2/p' {} +
    find "$top_srcdir/test/fuzz" -name 'fuzz_*.c' -exec basename {} .c \;)
named=$(sed -n 's/^|.*| *\(`[^|]*\) |$/\1/p' "$doc" | tr -s ' ' '\n' |
    sed -n 's/^`\([a-z_0-9]*\)`$/\1/p' | sort -u)
rows=$(grep -c '^|.*` |$' "$doc")

bad=0 count=0
for name in $named; do
	count=$((count + 1))
	printf '%s\n' "$known" | grep -qx "$name" && continue
	echo "doc/security.md: there is no test \"$name\"" >&2
	bad=1
done
if [ "$count" -lt 50 ]; then
	echo "doc/security.md: only $count names were found" >&2
	bad=1
fi
echo "$count tests are named in $rows rows"
exit $bad

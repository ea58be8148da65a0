#!/bin/sh
# etc/pooler.ini and doc/pooler.ini.5 are what the table of options says, and
# the page renders without a warning.
#
# Run by `make check`, which sets top_srcdir and top_builddir.

: "${top_srcdir:=.}" "${top_builddir:=.}"
gendoc=$top_builddir/doc/gendoc
bad=0

# drift WHAT FILE
drift() {
	if ! "$gendoc" "$1" | diff -u "$top_srcdir/$2" - ; then
		echo "$2 differs from the table of options: run make docs" >&2
		bad=1
	fi
}

"$gendoc" ini >/dev/null || exit 1
drift ini etc/pooler.ini
drift man5 doc/pooler.ini.5

if command -v groff >/dev/null 2>&1; then
	for page in "$top_srcdir"/doc/*.[157]; do
		warnings=$(groff -man -Tutf8 -ww -z "$page" 2>&1)
		[ -z "$warnings" ] && continue
		echo "$page: $warnings" >&2
		bad=1
	done
fi
exit $bad

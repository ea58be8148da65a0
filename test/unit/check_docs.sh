#!/bin/sh
# etc/pooler.ini and the manual pages that are printed from tables are what the
# tables say, and all pages render without a warning.
#
# Run by `make check`, which sets top_srcdir and top_builddir.

: "${top_srcdir:=.}" "${top_builddir:=.}"
bad=0

# drift FILE PROGRAM [ARGUMENT...]: FILE is what PROGRAM prints
drift() {
	file=$1
	shift
	if ! { "$top_builddir/doc/$@" || echo "$1 failed"; } |
	    diff -u "$top_srcdir/$file" -; then
		echo "$file differs from the table in the code: run make docs" >&2
		bad=1
	fi
}

drift etc/pooler.ini gendoc ini
drift doc/pooler.ini.5 gendoc man5
drift doc/pooler-console.7 genconsole

if command -v groff >/dev/null 2>&1; then
	for page in "$top_srcdir"/doc/*.[157]; do
		warnings=$(groff -man -Tutf8 -ww -z "$page" 2>&1)
		[ -z "$warnings" ] && continue
		echo "$page: $warnings" >&2
		bad=1
	done
fi
exit $bad

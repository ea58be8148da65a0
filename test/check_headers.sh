#!/bin/sh
# Every header compiles alone: it includes all that it needs, and warns of
# nothing, with gcc and with clang, as far as they are here.
#
# Run by `make check`, which sets top_srcdir, CC and CPPFLAGS.

: "${top_srcdir:=.}" "${CC:=cc}"
# Relative -I of the build directory hold; those of the source tree do too.
includes=${CPPFLAGS-"-D_GNU_SOURCE= -I$top_srcdir/include -I$top_srcdir/src"}
warnings='-std=gnu11 -Wall -Wextra -Wshadow -Wvla -Wformat=2
    -Wstrict-prototypes -Wmissing-prototypes -Wswitch-enum -Werror'

compilers=$CC
for other in gcc clang; do
	case " $CC " in
	*" $other "*) ;;
	*) command -v $other >/dev/null 2>&1 &&
	    compilers="$compilers
$other" ;;
	esac
done

headers=$(find "$top_srcdir/include" "$top_srcdir/src" -name '*.h' | sort)
if [ -z "$headers" ]; then
	echo "no headers under $top_srcdir" >&2
	exit 1
fi

bad=0 count=0
unit=check_headers.$$.c
trap 'rm -f "$unit"' EXIT
trap 'exit 1' HUP INT TERM
for header in $headers; do
	# From a file that includes it twice, so that a missing guard shows.
	printf '#include "%s"\n#include "%s"\n' "$header" "$header" >"$unit"
	count=$((count + 1))
	IFS='
'
	for compiler in $compilers; do
		unset IFS
		# shellcheck disable=SC2086 # lists of words
		if ! $compiler $warnings $includes -fsyntax-only "$unit"; then
			echo "$header does not compile alone ($compiler)" >&2
			bad=$((bad + 1))
		fi
	done
	unset IFS
done
echo "$count headers compiled alone with:" $compilers
[ "$bad" = 0 ]

#!/bin/sh
# Counts what the tests of the last `make check` found: "N passed, N failed".
#
# usage: count.sh LOG...   the .log of each test, its .trs beside it
#
# A program written with Check tells how many cases it ran, and those are
# counted; any other test is one. A program that says all is well and then
# fails (a leak found at its end, a crash) is one more failure. Ends with
# status 1 when anything failed or did not run.

passed=0 failed=0 skipped=0
for log; do
	trs=${log%.log}.trs
	result=$(sed -n 's/^:test-result: *\([A-Z]*\).*/\1/p' "$trs" \
	    2>/dev/null | head -n 1)
	# 97%: Checks: 40, Failures: 1, Errors: 0
	cases=$(sed -n 's/^[0-9]*%: Checks: \([0-9]*\), Failures: \([0-9]*\), Errors: \([0-9]*\).*/\1 \2 \3/p' \
	    "$log" 2>/dev/null |
	    awk '{ n += $1; bad += $2 + $3 } END { if (NR) print n, bad }')
	total=${cases% *} bad=${cases#* }
	case $result in
	SKIP)
		skipped=$((skipped + 1))
		echo "skipped: ${log%.log}"
		continue ;;
	PASS)
		: "${total:=1}" "${bad:=0}" ;;
	*)
		: "${total:=1}" "${bad:=1}"
		[ "$bad" -gt 0 ] || { bad=1; total=$((total + 1)); }
		echo "failed: ${log%.log} (${result:-did not run})" ;;
	esac
	passed=$((passed + total - bad))
	failed=$((failed + bad))
done
line="$passed passed, $failed failed"
[ "$skipped" = 0 ] || line="$line, $skipped skipped"
echo "$line"
[ "$failed" = 0 ]

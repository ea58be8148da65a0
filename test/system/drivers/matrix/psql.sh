#!/bin/sh
# psql, with one script per cell.
command -v psql >/dev/null || { echo missing postgresql-client; exit 77; }
n=$APP_WORKER
table=m_$n
dir=$APP_DIR
run="psql -X -q -A -t -v ON_ERROR_STOP=1 -h $APP_HOST -p $APP_PORT -U alice app"

# repeat COUNT LINE
repeat()
{
	i=0
	while [ $i -lt "$1" ]; do
		echo "$2"
		i=$((i + 1))
	done
}

# cell NAME EXPECTED: the script on stdin prints these lines, repeated ones
# once, joined by spaces.
cell()
{
	got=$(cd "$dir" && $run -f - 2>&1 | uniq | tr '\n' ' ')
	[ "$got" = "$2 " ] && got=ok
	echo "cell $1 $got"
}

{
	echo "PREPARE q (int) AS SELECT \$1 + ${n}000;"
	repeat 20 'EXECUTE q (7);'
	echo 'DEALLOCATE q;'
	echo "SELECT 1, 'described' \\gdesc"
} | cell prepared "${n}007 ?column?|integer ?column?|text"
echo 'cell pipeline -'
cell cursor 500 <<X
\\set FETCH_COUNT 50
\\o rows.$n
SELECT generate_series(1, 500);
\\o
\\! wc -l < rows.$n
X
{
	echo "SET application_name = 'w$n';"
	repeat 20 'SHOW application_name;'
	repeat 20 'SHOW lock_timeout;'
} | cell set "w$n 1000${n}ms"
{
	echo "SET client_min_messages = warning;"
	echo "DROP TABLE IF EXISTS $table;"
	echo "CREATE TABLE $table (id int PRIMARY KEY, t text);"
	repeat 20 "BEGIN; INSERT INTO $table SELECT count(*) FROM $table;
	    SAVEPOINT a; DELETE FROM $table; ROLLBACK TO a; COMMIT;
	    BEGIN; DELETE FROM $table; ROLLBACK;"
	echo "SELECT count(*) FROM $table;"
} | cell txn 20
got=$({ echo "LISTEN ch_$n;"; echo "NOTIFY ch_$n, 'hello';"; echo 'SELECT 1;'
	repeat 50 'SELECT 1; \! sleep 0.02'; } | $run -f - 2>&1 |
    grep -c "notification \"ch_$n\" with payload \"hello\"")
[ "$got" = 1 ] && got=ok
echo "cell listen $got"
cell copy "1000 id|integer||| t|text|||" <<X
SET client_min_messages = warning;
DROP TABLE IF EXISTS c_$n;
CREATE TABLE c_$n (id int, t text);
INSERT INTO c_$n SELECT i, 'x' || i FROM generate_series(1, 1000) i;
\\copy c_$n to 'copy.$n'
TRUNCATE c_$n;
\\copy c_$n from 'copy.$n'
SELECT count(*) FROM c_$n;
\\d c_$n
X
# psql hands an interrupt on as a cancel request, again as long as it takes.
echo "SELECT pg_sleep(30);" >"$dir/cancel.$n"
$run -f "$dir/cancel.$n" >"$dir/cancelled.$n" 2>&1 &
pid=$!
sleep 0.3
while kill -INT $pid 2>/dev/null; do sleep 0.2; done
wait $pid
got=$(cat "$dir/cancelled.$n")
case $got in
*'canceling statement due to user request'*) got=ok ;;
esac
echo "cell cancel $got"
{
	echo "SELECT 'got it' FROM pg_advisory_lock($n);"
	repeat 5 'SELECT 1;'
	echo "SELECT pg_advisory_unlock($n);"
} | cell lock 'got it 1 t'
echo done

"""psycopg 2, which sends its arguments inside the text."""
import io
import select
import cells
from cells import CHANNEL, LOCK_TIMEOUT, N, ROUNDS, TABLE, same

try:
    import psycopg2
    import psycopg2.extras
except ImportError:
    cells.missing("python3-psycopg2")


def connect():
    conn = psycopg2.connect(cells.DSN)
    conn.autocommit = True
    return conn


def value(conn, sql, args=None):
    with conn.cursor() as cur:
        cur.execute(sql, args)
        return cur.fetchone()[0]


def execute(conn, sql, args=None):
    with conn.cursor() as cur:
        cur.execute(sql, args)


def make_table(conn):
    execute(conn, "DROP TABLE IF EXISTS " + TABLE)
    execute(conn, "CREATE TABLE %s (id int PRIMARY KEY, t text)" % TABLE)


def count(conn):
    return value(conn, "SELECT count(*) FROM " + TABLE)


def prepared(conn):
    execute(conn, "PREPARE q (int) AS SELECT $1 + %d000" % N)
    for i in range(ROUNDS):
        same(value(conn, "EXECUTE q (%s)", (i,)), N * 1000 + i)
    execute(conn, "DEALLOCATE q")


def batch(conn):
    make_table(conn)
    with conn.cursor() as cur:
        psycopg2.extras.execute_batch(
            cur, "INSERT INTO %s VALUES (%%s, %%s)" % TABLE,
            [(i, "r") for i in range(300)])
    same(count(conn), 300)


def cursor(conn):
    conn.autocommit = False
    with conn, conn.cursor("c") as cur:
        cur.execute("SELECT generate_series(1, 500)")
        rows = 0
        while part := cur.fetchmany(50):
            rows += len(part)
        same(rows, 500)


def settings(conn):
    conn.set_session(isolation_level="SERIALIZABLE", autocommit=True)
    conn.set_client_encoding("LATIN1")
    execute(conn, "SET application_name = 'w%d'" % N)
    for _ in range(ROUNDS):
        same(value(conn, "SELECT %s", ("é",)), "é")
        same(value(conn, "SHOW transaction_isolation"), "serializable")
        same(value(conn, "SHOW application_name"), "w%d" % N)
        same(value(conn, "SHOW lock_timeout"), LOCK_TIMEOUT)


def transaction(conn):
    make_table(conn)
    conn.autocommit = False
    for i in range(ROUNDS):
        with conn:
            execute(conn, "INSERT INTO %s VALUES (%%s)" % TABLE, (i,))
        try:
            with conn:
                execute(conn, "DELETE FROM " + TABLE)
                execute(conn, "SELECT 1/0")
        except psycopg2.errors.DivisionByZero:
            pass
    with conn:
        same(count(conn), ROUNDS)


def listen(conn):
    execute(conn, "LISTEN " + CHANNEL)
    execute(conn, "SELECT pg_notify(%s, 'hello')", (CHANNEL,))
    while not conn.notifies:
        if not select.select([conn], [], [], 20)[0]:
            raise AssertionError("no notification")
        conn.poll()
    note = conn.notifies.pop()
    same((note.channel, note.payload), (CHANNEL, "hello"))


def copy(conn):
    make_table(conn)
    lines = "".join("%d\tcopied\n" % i for i in range(1000))
    with conn.cursor() as cur:
        cur.copy_expert("COPY %s FROM STDIN" % TABLE, io.StringIO(lines))
        out = io.StringIO()
        cur.copy_expert("COPY %s TO STDOUT" % TABLE, out)
        same(out.getvalue(), lines)


def cancel(conn):
    try:
        with cells.Alarm(conn.cancel):
            execute(conn, "SELECT pg_sleep(30)")
        raise AssertionError("not cancelled")
    except psycopg2.errors.QueryCanceled:
        pass
    same(value(conn, "SELECT 7"), 7)


def lock(conn):
    execute(conn, "SELECT pg_advisory_lock(%s)", (N,))
    for i in range(5):
        same(value(conn, "SELECT %s", (i,)), i)
    same(value(conn, "SELECT pg_advisory_unlock(%s)", (N,)), True)


cells.run(connect, {
    "prepared": prepared, "pipeline": batch, "cursor": cursor,
    "set": settings, "txn": transaction, "listen": listen, "copy": copy,
    "cancel": cancel, "lock": lock})

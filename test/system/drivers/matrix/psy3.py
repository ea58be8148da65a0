"""psycopg 3, sync: psy3.py THRESHOLD (of automatic preparation)."""
import sys
import time
import cells
from cells import CHANNEL, LOCK_TIMEOUT, N, ROUNDS, TABLE, same

try:
    import psycopg
except ImportError:
    cells.missing("python3-psycopg")


def connect():
    conn = psycopg.connect(cells.DSN, autocommit=True)
    conn.prepare_threshold = int(sys.argv[1])
    return conn


def prepared(conn):
    for i in range(ROUNDS):
        got = conn.execute("SELECT %%s::int + %d000" % N, (i,)).fetchone()
        same(got, (N * 1000 + i,))
        got = conn.execute("SELECT upper(%s)", ("x%d" % i,)).fetchone()
        same(got, ("X%d" % i,))


def make_table(conn):
    conn.execute("DROP TABLE IF EXISTS " + TABLE)
    conn.execute("CREATE TABLE %s (id int PRIMARY KEY, t text)" % TABLE)


def count(conn):
    return conn.execute("SELECT count(*) FROM " + TABLE).fetchone()[0]


def pipeline(conn):
    make_table(conn)
    with conn.pipeline():
        curs = [conn.execute("SELECT %%s::int + %d" % N, (i,))
                for i in range(100)]
        same([c.fetchone()[0] for c in curs], [N + i for i in range(100)])
    conn.cursor().executemany("INSERT INTO %s VALUES (%%s, %%s)" % TABLE,
                              [(i, "r") for i in range(300)])
    same(count(conn), 300)
    try:
        with conn.pipeline():
            conn.execute("SELECT 1")
            conn.execute("SELECT %s / 0", (1,))
            conn.execute("SELECT 2")
        raise AssertionError("no error in the pipeline")
    except psycopg.errors.DivisionByZero:
        pass
    same(conn.execute("SELECT 3").fetchone(), (3,))


def cursor(conn):
    with conn.transaction(), conn.cursor("c") as cur:
        cur.execute("SELECT generate_series(1, 500) + %s", (N,))
        rows = 0
        while part := cur.fetchmany(50):
            rows += len(part)
        same(rows, 500)


def settings(conn):
    conn.execute("SET application_name = 'w%d'" % N)
    conn.execute("SELECT set_config('work_mem', %s, false)",
                 ("%dMB" % (10 + N),))
    for _ in range(ROUNDS):
        same(conn.execute("SHOW application_name").fetchone(), ("w%d" % N,))
        same(conn.execute("SHOW work_mem").fetchone(), ("%dMB" % (10 + N),))
        same(conn.execute("SHOW lock_timeout").fetchone(), (LOCK_TIMEOUT,))


def transaction(conn):
    make_table(conn)
    insert = "INSERT INTO %s VALUES (%%s, 'x')" % TABLE
    for i in range(ROUNDS):
        with conn.transaction():
            conn.execute(insert, (i,))
            try:
                with conn.transaction():
                    conn.execute(insert, (i,))
            except psycopg.errors.UniqueViolation:
                pass
        try:
            with conn.transaction():
                conn.execute(insert, (1000 + i,))
                conn.execute("SELECT 1/0")
        except psycopg.errors.DivisionByZero:
            pass
    same(count(conn), ROUNDS)


def listen(conn):
    notes = []
    conn.add_notify_handler(notes.append)
    conn.execute("LISTEN " + CHANNEL)
    conn.execute("SELECT pg_notify(%s, 'hello')", (CHANNEL,))
    deadline = time.monotonic() + 20
    while not notes and time.monotonic() < deadline:
        conn.execute("SELECT 1")
    same([(n.channel, n.payload) for n in notes], [(CHANNEL, "hello")])


def copy(conn):
    make_table(conn)
    with conn.cursor() as cur:
        with cur.copy("COPY %s FROM STDIN" % TABLE) as out:
            for i in range(1000):
                out.write_row((i, "copied"))
        same(count(conn), 1000)
        with cur.copy("COPY %s TO STDOUT" % TABLE) as part:
            same(sum(bytes(p).count(b"\n") for p in part), 1000)


def cancel(conn):
    try:
        with cells.Alarm(conn.cancel):
            conn.execute("SELECT pg_sleep(30)")
        raise AssertionError("not cancelled")
    except psycopg.errors.QueryCanceled:
        pass
    same(conn.execute("SELECT 7").fetchone(), (7,))


def lock(conn):
    conn.execute("SELECT pg_advisory_lock(%s)", (N,))
    for i in range(5):
        same(conn.execute("SELECT %s::int", (i,)).fetchone(), (i,))
    got = conn.execute("SELECT pg_advisory_unlock(%s)", (N,)).fetchone()
    same(got, (True,))


cells.run(connect, {
    "prepared": prepared, "pipeline": pipeline, "cursor": cursor,
    "set": settings, "txn": transaction, "listen": listen, "copy": copy,
    "cancel": cancel, "lock": lock})

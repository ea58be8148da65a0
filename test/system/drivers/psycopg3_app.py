"""An ordinary psycopg 3 application: it knows only a host and a port."""
import os
import sys

try:
    import psycopg
except ImportError:
    print("psycopg is not installed (Debian: python3-psycopg)")
    sys.exit(77)

dsn = "host=%s port=%s dbname=app user=alice" % (
    os.environ["APP_HOST"], os.environ["APP_PORT"])

with psycopg.connect(dsn) as conn:
    conn.prepare_threshold = None
    with conn.cursor() as cur:
        cur.execute("DROP TABLE IF EXISTS psy3")
        cur.execute("CREATE TABLE psy3 (id int PRIMARY KEY, t text)")
        cur.executemany("INSERT INTO psy3 VALUES (%s, %s)",
                        [(i, "row %d" % i) for i in range(200)])
    conn.commit()
    with conn.cursor() as cur:
        with cur.copy("COPY psy3 (id, t) FROM STDIN") as copy:
            for i in range(1000, 3000):
                copy.write_row((i, "copied"))
    conn.commit()
    rows = conn.execute("SELECT count(*) FROM psy3").fetchone()
    assert rows == (2200,), rows
    with conn.transaction():
        conn.execute("UPDATE psy3 SET t = %s WHERE id = %s", ("é€", 1))
    try:
        with conn.transaction():
            conn.execute("DELETE FROM psy3")
            conn.execute("SELECT 1/0")
        raise SystemExit("no error")
    except psycopg.errors.DivisionByZero:
        pass
    row = conn.execute("SELECT t FROM psy3 WHERE id = 1").fetchone()
    assert row == ("é€",), row
    with conn.cursor(binary=True) as cur:
        cur.execute("SELECT id FROM psy3 WHERE id < %s ORDER BY id", (5,))
        assert [r[0] for r in cur] == [0, 1, 2, 3, 4]
    with conn.cursor() as cur:
        with cur.copy("COPY psy3 TO STDOUT") as copy:
            n = sum(bytes(part).count(b"\n") for part in copy)
        assert n == 2200, n
    with conn.pipeline():
        curs = [conn.execute("SELECT %s::int", (i,)) for i in range(50)]
        assert [c.fetchone()[0] for c in curs] == list(range(50))
    conn.commit()
    with conn.cursor("named") as cur:
        cur.execute("SELECT id FROM psy3 ORDER BY id")
        assert len(cur.fetchmany(100)) == 100
    conn.execute("DROP TABLE psy3")

with psycopg.connect(dsn, autocommit=True) as conn:
    conn.prepare_threshold = None
    for i in range(50):
        assert conn.execute("SELECT %s + 1", (i,)).fetchone()[0] == i + 1
    import threading
    timer = threading.Timer(0.3, conn.cancel)
    timer.start()
    try:
        conn.execute("SELECT pg_sleep(30)")
        raise SystemExit("not cancelled")
    except psycopg.errors.QueryCanceled:
        pass
    timer.join()
    assert conn.execute("SELECT 7").fetchone() == (7,)

print("ok")

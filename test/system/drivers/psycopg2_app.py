"""An ordinary psycopg 2 application: it knows only a host and a port."""
import io
import os
import sys

try:
    import psycopg2
    import psycopg2.extensions
    import psycopg2.extras
except ImportError:
    print("psycopg2 is not installed (Debian: python3-psycopg2)")
    sys.exit(77)

dsn = "host=%s port=%s dbname=app user=alice" % (
    os.environ["APP_HOST"], os.environ["APP_PORT"])

conn = psycopg2.connect(dsn)
with conn, conn.cursor() as cur:
    cur.execute("DROP TABLE IF EXISTS psy2")
    cur.execute("CREATE TABLE psy2 (id int PRIMARY KEY, t text)")
    psycopg2.extras.execute_values(
        cur, "INSERT INTO psy2 VALUES %s",
        [(i, "row %d" % i) for i in range(500)])
with conn, conn.cursor() as cur:
    cur.copy_expert("COPY psy2 FROM STDIN",
                    io.StringIO("".join("%d\tcopied\n" % i
                                        for i in range(1000, 3000))))
with conn, conn.cursor() as cur:
    cur.execute("SELECT count(*) FROM psy2")
    assert cur.fetchone() == (2500,)
    out = io.StringIO()
    cur.copy_expert("COPY psy2 TO STDOUT", out)
    assert out.getvalue().count("\n") == 2500
try:
    with conn, conn.cursor() as cur:
        cur.execute("DELETE FROM psy2")
        cur.execute("SELECT 1/0")
    raise SystemExit("no error")
except psycopg2.errors.DivisionByZero:
    pass
conn.set_session(isolation_level="SERIALIZABLE")
with conn, conn.cursor("named") as cur:
    cur.execute("SELECT id FROM psy2 ORDER BY id")
    assert len(cur.fetchmany(100)) == 100
conn.set_client_encoding("LATIN1")
with conn, conn.cursor() as cur:
    cur.execute("SELECT %s", ("é",))
    assert cur.fetchone() == ("é",)
with conn, conn.cursor() as cur:
    cur.execute("DROP TABLE psy2")
conn.close()

conn = psycopg2.connect(dsn)
conn.autocommit = True
with conn.cursor() as cur:
    for i in range(100):
        cur.execute("SELECT %s + 1", (i,))
        assert cur.fetchone() == (i + 1,)
conn.close()
print("ok")

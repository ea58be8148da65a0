"""psycopg 3, async: several connections in one event loop.
psy3_async.py THRESHOLD"""
import asyncio
import os
import sys
import time
import cells
from cells import CHANNEL, LOCK_TIMEOUT, N, ROUNDS, TABLE, same

try:
    import psycopg
except ImportError:
    cells.missing("python3-psycopg")

# With a session each they would take all there is: one at a time then.
CONNECTIONS = 1 if os.environ["APP_MODE"] == "session" else 3


async def connect():
    conn = await psycopg.AsyncConnection.connect(cells.DSN, autocommit=True)
    conn.prepare_threshold = int(sys.argv[1])
    return conn


async def value(conn, sql, args=None):
    return (await (await conn.execute(sql, args)).fetchone())[0]


async def prepared(conn, me):
    for i in range(ROUNDS):
        same(await value(conn, "SELECT %%s::int + %d" % (N * 1000 + me),
                         (i,)), N * 1000 + me + i)


async def pipeline(conn, me):
    async with conn.pipeline():
        curs = [await conn.execute("SELECT %%s::int + %d" % me, (i,))
                for i in range(100)]
        same([(await c.fetchone())[0] for c in curs],
             [me + i for i in range(100)])


async def cursor(conn, me):
    async with conn.transaction():
        async with conn.cursor("c") as cur:
            await cur.execute("SELECT generate_series(1, 500)")
            rows = 0
            while part := await cur.fetchmany(50):
                rows += len(part)
            same(rows, 500)


async def settings(conn, me):
    name = "w%d-%d" % (N, me)
    await conn.execute("SET application_name = '%s'" % name)
    for _ in range(ROUNDS):
        same(await value(conn, "SHOW application_name"), name)
        same(await value(conn, "SHOW lock_timeout"), LOCK_TIMEOUT)


async def transaction(conn, me):
    table = "%s_%d" % (TABLE, me)
    await conn.execute("DROP TABLE IF EXISTS " + table)
    await conn.execute("CREATE TABLE %s (id int)" % table)
    for i in range(ROUNDS):
        async with conn.transaction():
            await conn.execute("INSERT INTO %s VALUES (%%s)" % table, (i,))
        try:
            async with conn.transaction():
                await conn.execute("DELETE FROM " + table)
                await conn.execute("SELECT 1/0")
        except psycopg.errors.DivisionByZero:
            pass
    same(await value(conn, "SELECT count(*) FROM " + table), ROUNDS)
    await conn.execute("DROP TABLE " + table)


async def listen(conn, me):
    channel = "%s_%d" % (CHANNEL, me)
    notes = []
    conn.add_notify_handler(notes.append)
    await conn.execute("LISTEN " + channel)
    await conn.execute("SELECT pg_notify(%s, 'hello')", (channel,))
    deadline = time.monotonic() + 20
    while not notes and time.monotonic() < deadline:
        await conn.execute("SELECT 1")
    same([(n.channel, n.payload) for n in notes], [(channel, "hello")])


async def copy(conn, me):
    table = "%s_%d" % (TABLE, me)
    await conn.execute("DROP TABLE IF EXISTS " + table)
    await conn.execute("CREATE TABLE %s (id int)" % table)
    async with conn.cursor() as cur:
        async with cur.copy("COPY %s FROM STDIN" % table) as out:
            for i in range(1000):
                await out.write_row((i,))
        lines = 0
        async with cur.copy("COPY %s TO STDOUT" % table) as part:
            async for p in part:
                lines += bytes(p).count(b"\n")
        same(lines, 1000)


async def cancel(conn, me):
    async def again():
        while True:
            await asyncio.sleep(0.2)
            conn.cancel()
    task = asyncio.create_task(again())
    try:
        await conn.execute("SELECT pg_sleep(30)")
        raise AssertionError("not cancelled")
    except psycopg.errors.QueryCanceled:
        pass
    finally:
        task.cancel()
    same(await value(conn, "SELECT 7"), 7)


async def lock(conn, me):
    key = N * 100 + me
    await conn.execute("SELECT pg_advisory_lock(%s)", (key,))
    same(await value(conn, "SELECT 1"), 1)
    same(await value(conn, "SELECT pg_advisory_unlock(%s)", (key,)), True)


async def one(cell, me):
    conn = await connect()
    try:
        await cell(conn, me)
    finally:
        await conn.close()


async def main():
    for name, cell in {
            "prepared": prepared, "pipeline": pipeline, "cursor": cursor,
            "set": settings, "txn": transaction, "listen": listen,
            "copy": copy, "cancel": cancel, "lock": lock}.items():
        try:
            await asyncio.gather(*[one(cell, i) for i in range(CONNECTIONS)])
            cells.say(name, "ok")
        except Exception as e:
            cells.say(name, cells.failed(e))
    print("done")

asyncio.run(main())

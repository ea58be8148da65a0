"""asyncpg: it prepares everything, by name, and keeps it for long."""
import asyncio
import os
import cells
from cells import CHANNEL, LOCK_TIMEOUT, N, ROUNDS, TABLE, same

try:
    import asyncpg
except ImportError:
    cells.missing("python3-asyncpg")

CONNECTIONS = 1 if os.environ["APP_MODE"] == "session" else 3


async def connect():
    return await asyncpg.connect(
        host=cells.HOST, port=cells.PORT, database="app", user="alice",
        ssl=False, server_settings={"lock_timeout": LOCK_TIMEOUT})


async def make_table(conn, me):
    table = "%s_%d" % (TABLE, me)
    await conn.execute("DROP TABLE IF EXISTS " + table)
    await conn.execute("CREATE TABLE %s (id int, t text)" % table)
    return table


async def prepared(conn, me):
    mine = await conn.prepare("SELECT $1::int + %d" % (N * 1000 + me))
    for i in range(ROUNDS):
        same(await mine.fetchval(i), N * 1000 + me + i)
        same(await conn.fetchval("SELECT upper($1)", "x%d" % i), "X%d" % i)


async def batch(conn, me):
    table = await make_table(conn, me)
    await conn.executemany("INSERT INTO %s VALUES ($1, $2)" % table,
                           [(i, "y") for i in range(300)])
    same(await conn.fetchval("SELECT count(*) FROM " + table), 300)


async def cursor(conn, me):
    async with conn.transaction():
        rows = 0
        async for _ in conn.cursor("SELECT generate_series(1, 500)",
                                   prefetch=50):
            rows += 1
        same(rows, 500)


async def settings(conn, me):
    name = "w%d-%d" % (N, me)
    await conn.execute("SET application_name = '%s'" % name)
    for _ in range(ROUNDS):
        same(await conn.fetchval("SHOW application_name"), name)
        same(await conn.fetchval("SHOW lock_timeout"), LOCK_TIMEOUT)


async def transaction(conn, me):
    table = await make_table(conn, me)
    for i in range(ROUNDS):
        async with conn.transaction():
            await conn.execute("INSERT INTO %s VALUES ($1)" % table, i)
        try:
            async with conn.transaction():
                await conn.execute("DELETE FROM " + table)
                await conn.fetchval("SELECT 1/$1::int", 0)
        except asyncpg.DivisionByZeroError:
            pass
    same(await conn.fetchval("SELECT count(*) FROM " + table), ROUNDS)


async def listen(conn, me):
    channel = "%s_%d" % (CHANNEL, me)
    note = asyncio.get_running_loop().create_future()
    await conn.add_listener(
        channel, lambda c, pid, ch, text: note.set_result((ch, text)))
    await conn.execute("SELECT pg_notify($1, 'hello')", channel)
    same(await asyncio.wait_for(note, 20), (channel, "hello"))
    await conn.reset()


async def copy(conn, me):
    table = await make_table(conn, me)
    await conn.copy_records_to_table(
        table, records=[(i, "x") for i in range(1000)])
    same(await conn.fetchval("SELECT count(*) FROM " + table), 1000)


async def cancel(conn, me):
    try:
        await conn.fetchval("SELECT pg_sleep(30)", timeout=0.3)
        raise AssertionError("not cancelled")
    except asyncio.TimeoutError:
        pass
    same(await conn.fetchval("SELECT 7"), 7)


async def lock(conn, me):
    key = N * 100 + me
    await conn.execute("SELECT pg_advisory_lock($1)", key)
    same(await conn.fetchval("SELECT 1"), 1)
    same(await conn.fetchval("SELECT pg_advisory_unlock($1)", key), True)


async def one(cell, me):
    conn = await connect()
    try:
        await cell(conn, me)
    finally:
        await conn.close()


async def main():
    for name, cell in {
            "prepared": prepared, "pipeline": batch, "cursor": cursor,
            "set": settings, "txn": transaction, "listen": listen,
            "copy": copy, "cancel": cancel, "lock": lock}.items():
        try:
            await asyncio.gather(*[one(cell, i) for i in range(CONNECTIONS)])
            cells.say(name, "ok")
        except Exception as e:
            cells.say(name, cells.failed(e))
    print("done")

asyncio.run(main())

"""An ordinary asyncpg application with its own pool, in session mode."""
import asyncio
import os
import sys

try:
    import asyncpg
except ImportError:
    print("asyncpg is not installed (Debian: python3-asyncpg)")
    sys.exit(77)


async def worker(pool, n):
    for i in range(20):
        async with pool.acquire() as conn:
            got = await conn.fetchval("SELECT $1::int * 1000 + $2::int", n, i)
            assert got == n * 1000 + i, got


async def main():
    pool = await asyncpg.create_pool(
        host=os.environ["APP_HOST"], port=int(os.environ["APP_PORT"]),
        database="app", user="alice", ssl=False, min_size=2, max_size=5)
    async with pool.acquire() as conn:
        await conn.execute("DROP TABLE IF EXISTS asy")
        await conn.execute("CREATE TABLE asy (id int, t text)")
        await conn.copy_records_to_table(
            "asy", records=[(i, "x") for i in range(1000)])
        async with conn.transaction():
            await conn.executemany("INSERT INTO asy VALUES ($1, $2)",
                                   [(i, "y") for i in range(500)])
        assert await conn.fetchval("SELECT count(*) FROM asy") == 1500
        async with conn.transaction():
            n = 0
            async for _ in conn.cursor("SELECT * FROM asy"):
                n += 1
            assert n == 1500, n
        try:
            await conn.fetchval("SELECT pg_sleep(30)", timeout=0.3)
            raise SystemExit("no timeout")
        except asyncio.TimeoutError:
            pass
        assert await conn.fetchval("SELECT 5") == 5
        await conn.execute("DROP TABLE asy")
    await asyncio.gather(*[worker(pool, n) for n in range(20)])
    await pool.close()
    print("ok")


asyncio.run(main())

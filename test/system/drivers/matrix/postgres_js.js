// postgres.js, which prepares everything it runs, by a name of its own.
'use strict';
let postgres;
try {
	postgres = require('postgres');
} catch (e) {
	console.log('missing npm package postgres');
	process.exit(77);
}
const assert = require('assert');
const N = Number(process.env.APP_WORKER);
const TABLE = 'm_' + N, CHANNEL = 'ch_' + N, ROUNDS = 20;
const SKIP = process.env.APP_SKIP || '';
const settings = {
	host: process.env.APP_HOST, port: Number(process.env.APP_PORT),
	database: 'app', user: 'alice', max: 1, onnotice() {},
	// It does not read PGOPTIONS.
	connection: { application_name: 'w' + N,
		lock_timeout: `1000${N}ms` },
};

const cells = {
	// The same text in all, and one that is each one's own.
	async prepared(sql) {
		for (let i = 0; i < ROUNDS; i++) {
			assert.strictEqual((await sql`SELECT ${i}::int AS n`)[0].n,
				i);
			const r = await sql.unsafe(
				`SELECT $1::int + ${N}000 AS n`, [i],
				{ prepare: true });
			assert.strictEqual(r[0].n, N * 1000 + i);
		}
	},
	async pipeline(sql) {
		const work = [];
		for (let i = 0; i < 100; i++)
			work.push(sql`SELECT ${i}::int AS n`);
		(await Promise.all(work)).forEach((r, i) =>
			assert.strictEqual(r[0].n, i));
	},
	async cursor(sql) {
		let rows = 0;
		await sql`SELECT generate_series(1, 500)`.cursor(50, (r) => {
			rows += r.length;
		});
		assert.strictEqual(rows, 500);
	},
	async set(sql) {
		for (let i = 0; i < ROUNDS; i++) {
			let r = await sql`SHOW application_name`;
			assert.strictEqual(r[0].application_name, 'w' + N);
			r = await sql`SHOW lock_timeout`;
			assert.strictEqual(r[0].lock_timeout, `1000${N}ms`);
		}
	},
	async txn(sql) {
		await sql.unsafe('DROP TABLE IF EXISTS ' + TABLE);
		await sql.unsafe(`CREATE TABLE ${TABLE} (id int PRIMARY KEY)`);
		for (let i = 0; i < ROUNDS; i++) {
			await sql.begin((t) =>
				t`INSERT INTO ${t(TABLE)} VALUES (${i})`);
			await assert.rejects(sql.begin(async (t) => {
				await t`DELETE FROM ${t(TABLE)}`;
				await t`SELECT 1/0`;
			}), { code: '22012' });
			await sql.begin(async (t) => {
				await t`INSERT INTO ${t(TABLE)} VALUES (-1)`;
				await t.savepoint((s) => s`SELECT 1/0`)
					.catch(() => {});
				await t`DELETE FROM ${t(TABLE)} WHERE id = -1`;
			});
		}
		const r = await sql`SELECT count(*)::int AS n FROM ${sql(TABLE)}`;
		assert.strictEqual(r[0].n, ROUNDS);
	},
	// On a connection of its own, which keeps a server in transaction mode.
	async listen(sql) {
		const got = new Promise((done) => sql.listen(CHANNEL, done,
			() => sql.notify(CHANNEL, 'hello')));
		assert.strictEqual(await got, 'hello');
	},
	async copy(sql) {
		const { pipeline } = require('stream/promises');
		const { Readable } = require('stream');
		await sql.unsafe('DROP TABLE IF EXISTS ' + TABLE);
		await sql.unsafe(`CREATE TABLE ${TABLE} (id int, t text)`);
		const lines = Array.from({ length: 1000 }, (_, i) =>
			`${i}\tx${i}\n`);
		await pipeline(Readable.from(lines),
			await sql`COPY ${sql(TABLE)} FROM STDIN`.writable());
		let bytes = 0;
		for await (const part of
			await sql`COPY ${sql(TABLE)} TO STDOUT`.readable())
			bytes += part.length;
		assert.strictEqual(bytes, lines.join('').length);
	},
	// Until it has ended: a request may come before the query. (cancel()
	// would ask once only; and one that comes while the connection is
	// being made leaves the driver stuck.)
	async cancel(sql) {
		await sql`SELECT 1`;
		const q = sql`SELECT pg_sleep(60)`.execute();
		const cancel = q.canceller;
		let over = false;
		const end = assert.rejects(q, { code: '57014' })
			.finally(() => { over = true; });
		while (!over) {
			await new Promise((done) => setTimeout(done, 200));
			if (!over)
				cancel(q).catch(() => {});
		}
		await end;
		assert.strictEqual((await sql`SELECT 5 AS n`)[0].n, 5);
	},
	async lock(sql) {
		await sql`SELECT pg_advisory_lock(${N})`;
		for (let i = 0; i < 5; i++)
			await sql`SELECT ${i}::int`;
		const r = await sql`SELECT pg_advisory_unlock(${N}) AS was`;
		assert.strictEqual(r[0].was, true);
	},
};

async function main() {
	for (const [name, cell] of Object.entries(cells)) {
		if (SKIP.includes(` ${name} `)) {
			console.log('cell', name, '-');
			continue;
		}
		const sql = postgres(settings);
		const how = await cell(sql).then(() => 'ok',
			(e) => String(e).replace(/\s+/g, ' '));
		console.log('cell', name, how);
		await sql.end({ timeout: 5 });
	}
	console.log('done');
}

main();

// node-postgres, with named statements.
'use strict';
let pg;
try {
	pg = require('pg');
} catch (e) {
	console.log('missing node-pg');
	process.exit(77);
}
const assert = require('assert');
const N = Number(process.env.APP_WORKER);
const TABLE = 'm_' + N, CHANNEL = 'ch_' + N, ROUNDS = 20;
const settings = {
	host: process.env.APP_HOST, port: Number(process.env.APP_PORT),
	database: 'app', user: 'alice',
};

async function value(c, text, values) {
	const r = await c.query({ text, values, rowMode: 'array' });
	return r.rows[0][0];
}

async function makeTable(c) {
	await c.query('DROP TABLE IF EXISTS ' + TABLE);
	await c.query(`CREATE TABLE ${TABLE} (id int PRIMARY KEY, t text)`);
}

const cells = {
	// The same names in every process, with another text behind them.
	async prepared(c) {
		for (let i = 0; i < ROUNDS; i++) {
			const r = await c.query({ name: 'q', values: [i],
				text: `SELECT $1::int + ${N}000 AS n` });
			assert.strictEqual(r.rows[0].n, N * 1000 + i);
		}
	},
	// It sends one at a time, and queues what is asked for meanwhile.
	async pipeline(c) {
		const work = [];
		for (let i = 0; i < 100; i++)
			work.push(value(c, 'SELECT $1::int', [i]));
		(await Promise.all(work)).forEach((n, i) =>
			assert.strictEqual(n, i));
	},
	async cursor(c) {
		await c.query('BEGIN');
		await c.query('DECLARE c CURSOR FOR ' +
			'SELECT generate_series(1, 500)');
		let rows = 0, r;
		do {
			r = await c.query('FETCH 50 FROM c');
			rows += r.rowCount;
		} while (r.rowCount > 0);
		await c.query('COMMIT');
		assert.strictEqual(rows, 500);
	},
	async set(c) {
		await c.query(`SET application_name = 'w${N}'`);
		for (let i = 0; i < ROUNDS; i++) {
			assert.strictEqual(
				await value(c, 'SHOW application_name'), 'w' + N);
			assert.strictEqual(await value(c, 'SHOW lock_timeout'),
				`1000${N}ms`);
		}
	},
	async txn(c) {
		await makeTable(c);
		for (let i = 0; i < ROUNDS; i++) {
			await c.query('BEGIN');
			await c.query(`INSERT INTO ${TABLE} VALUES ($1)`, [i]);
			await c.query('COMMIT');
			await c.query('BEGIN');
			await c.query('DELETE FROM ' + TABLE);
			await assert.rejects(c.query('SELECT 1/0'),
				{ code: '22012' });
			await c.query('ROLLBACK');
		}
		assert.strictEqual(await value(c,
			'SELECT count(*)::int FROM ' + TABLE), ROUNDS);
	},
	async listen(c) {
		const note = new Promise((done) => c.once('notification', done));
		await c.query('LISTEN ' + CHANNEL);
		await c.query('SELECT pg_notify($1, $2)', [CHANNEL, 'hello']);
		const got = await note;
		assert.strictEqual(got.channel, CHANNEL);
		assert.strictEqual(got.payload, 'hello');
	},
	copy: null, // a package of its own
	cancel: null, // it has none
	async lock(c) {
		await c.query('SELECT pg_advisory_lock($1)', [N]);
		for (let i = 0; i < 5; i++)
			assert.strictEqual(
				await value(c, 'SELECT $1::int', [i]), i);
		assert.strictEqual(await value(c,
			'SELECT pg_advisory_unlock($1)', [N]), true);
	},
};

async function one(cell) {
	const c = new pg.Client(settings);
	await c.connect();
	try {
		await cell(c);
	} finally {
		await c.end();
	}
}

async function main() {
	for (const [name, cell] of Object.entries(cells)) {
		let how = '-';
		if (cell !== null)
			how = await one(cell).then(() => 'ok',
				(e) => String(e).replace(/\s+/g, ' '));
		console.log('cell', name, how);
	}
	console.log('done');
}

main();

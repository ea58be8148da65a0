// An ordinary node-postgres application: it knows only a host and a port.
'use strict';
let pg;
try {
	pg = require('pg');
} catch (e) {
	console.log('the npm package pg is not installed');
	process.exit(77);
}
const assert = require('assert');

const settings = {
	host: process.env.APP_HOST,
	port: Number(process.env.APP_PORT),
	database: 'app',
	user: 'alice',
};

async function main() {
	const pool = new pg.Pool({ ...settings, max: 10 });
	await pool.query('DROP TABLE IF EXISTS node_app');
	await pool.query('CREATE TABLE node_app (id int PRIMARY KEY, t text)');
	const client = await pool.connect();
	await client.query('BEGIN');
	for (let i = 0; i < 100; i++)
		await client.query('INSERT INTO node_app VALUES ($1, $2)',
			[i, 'row ' + i]);
	await client.query('COMMIT');
	await client.query('BEGIN');
	await client.query('DELETE FROM node_app');
	await assert.rejects(client.query('SELECT 1/0'), { code: '22012' });
	await client.query('ROLLBACK');
	client.release();
	const work = [];
	for (let i = 0; i < 200; i++)
		work.push(pool.query('SELECT $1::int AS n, count(*)::int AS c ' +
			'FROM node_app', [i]));
	const done = await Promise.all(work);
	done.forEach((r, i) => {
		assert.strictEqual(r.rows[0].n, i);
		assert.strictEqual(r.rows[0].c, 100);
	});
	await pool.query('DROP TABLE node_app');
	await pool.end();
	console.log('ok');
}

main().catch((e) => {
	console.error(e);
	process.exit(1);
});

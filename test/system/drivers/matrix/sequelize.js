// Sequelize on node-postgres: a migration under an advisory lock, which all
// processes want to make at once, and then an application.
'use strict';
let S;
try {
	S = require('sequelize');
	require('pg');
} catch (e) {
	console.log('missing npm packages sequelize and pg');
	process.exit(77);
}
const assert = require('assert');
const N = Number(process.env.APP_WORKER), ROUNDS = 20;
const db = new S.Sequelize('app', 'alice', null, {
	host: process.env.APP_HOST, port: Number(process.env.APP_PORT),
	dialect: 'postgres', logging: false, pool: { max: 1 },
	dialectOptions: { application_name: 'w' + N },
});
const Author = db.define('author', { name: S.DataTypes.STRING },
	{ tableName: 'seq_authors' });
const Book = db.define('book', {
	worker: { type: S.DataTypes.INTEGER, allowNull: false },
	title: { type: S.DataTypes.STRING },
	data: S.DataTypes.JSONB,
}, { tableName: 'seq_books', indexes: [{ fields: ['worker'] }] });
Author.hasMany(Book);
Book.belongsTo(Author);

async function value(text) {
	const rows = await db.query(text, { type: S.QueryTypes.SELECT });
	return Object.values(rows[0])[0];
}

async function migrate() {
	await db.query('SELECT pg_advisory_lock(4712)');
	await db.query('CREATE TABLE IF NOT EXISTS seq_version (v int)');
	if (Number(await value('SELECT count(*) FROM seq_version')) === 0) {
		const q = db.getQueryInterface();
		await db.sync({ force: true });
		await q.addColumn('seq_books', 'extra', S.DataTypes.INTEGER);
		await q.addIndex('seq_books', ['extra']);
		await db.query('INSERT INTO seq_version VALUES (1)');
	}
	assert.strictEqual(
		Number(await value('SELECT count(*) FROM seq_version')), 1);
	assert.strictEqual(await value('SELECT pg_advisory_unlock(4712)'), true);
}

const cells = {
	lock: migrate,
	async pipeline() {
		await Book.destroy({ where: { worker: N } });
		const rows = [];
		for (let i = 0; i < 200; i++)
			rows.push({ worker: N, title: 'b' + i, data: { i } });
		await Book.bulkCreate(rows);
		assert.strictEqual(await Book.count({ where: { worker: N } }), 200);
		assert.strictEqual(await Book.count({
			where: { worker: N, 'data.i': 7 } }), 1);
	},
	async set() {
		await db.query(`SET lock_timeout = '1000${N}ms'`);
		for (let i = 0; i < ROUNDS; i++) {
			assert.strictEqual(await value('SHOW application_name'),
				'w' + N);
			assert.strictEqual(await value('SHOW lock_timeout'),
				`1000${N}ms`);
		}
	},
	async txn() {
		const before = await Book.count({ where: { worker: N } });
		const author = await Author.create({ name: 'a' + N });
		for (let i = 0; i < ROUNDS; i++) {
			const book = await db.transaction(async (transaction) => {
				const b = await author.createBook(
					{ worker: N, title: 't' + i },
					{ transaction });
				await b.update({ title: 'changed' },
					{ transaction });
				return b;
			});
			await assert.rejects(db.transaction(
				{ isolationLevel: 'SERIALIZABLE' },
				async (transaction) => {
					await book.destroy({ transaction });
					await db.query('SELECT 1/0',
						{ transaction });
				}), /division by zero/);
			const again = await Book.findByPk(book.id,
				{ include: Author });
			assert.strictEqual(again.title, 'changed');
			assert.strictEqual(again.author.name, 'a' + N);
		}
		assert.strictEqual(await Book.count({ where: { worker: N } }),
			before + ROUNDS);
	},
};

async function main() {
	for (const [name, cell] of Object.entries(cells)) {
		const how = await cell().then(() => 'ok',
			(e) => String(e).replace(/\s+/g, ' '));
		console.log('cell', name, how);
	}
	await db.close();
	console.log('done');
}

main();

<?php
// PDO without emulation: it prepares on the server by names of its own.
if (!extension_loaded('pdo_pgsql')) {
	echo "missing php-pgsql\n";
	exit(77);
}
$n = (int)getenv('APP_WORKER');
$table = "m_$n";
$channel = "ch_$n";
const ROUNDS = 20;

function connect()
{
	return new PDO('pgsql:dbname=app;host=' . getenv('APP_HOST') .
	    ';port=' . getenv('APP_PORT'), 'alice', '', [
		PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION,
		PDO::ATTR_EMULATE_PREPARES => false,
	    ]);
}

function same($got, $expected)
{
	if ($got !== $expected)
		throw new Exception(var_export($got, true) . ', not ' .
		    var_export($expected, true));
}

function value($db, $sql, $args = [])
{
	$q = $db->prepare($sql);
	$q->execute($args);
	return $q->fetchColumn();
}

function make_table($db)
{
	global $table;
	$db->exec("DROP TABLE IF EXISTS $table");
	$db->exec("CREATE TABLE $table (id int PRIMARY KEY, t text)");
}

$cells = [
	'prepared' => function ($db) use ($n) {
		$q = $db->prepare("SELECT ?::int + {$n}000");
		for ($i = 0; $i < ROUNDS; $i++) {
			$q->execute([$i]);
			same($q->fetchColumn(), $n * 1000 + $i);
			same(value($db, 'SELECT upper(?)', ["x$i"]), "X$i");
		}
	},
	'pipeline' => null, // it has none
	'cursor' => function ($db) {
		$db->beginTransaction();
		$q = $db->prepare('SELECT generate_series(1, 500)',
		    [PDO::ATTR_CURSOR => PDO::CURSOR_SCROLL]);
		$q->execute();
		for ($rows = 0; $q->fetch() !== false; $rows++)
			;
		$db->commit();
		same($rows, 500);
	},
	'set' => function ($db) use ($n) {
		$db->exec("SET application_name = 'w$n'");
		for ($i = 0; $i < ROUNDS; $i++) {
			same(value($db, 'SHOW application_name'), "w$n");
			same(value($db, 'SHOW lock_timeout'), "1000{$n}ms");
		}
	},
	'txn' => function ($db) use ($table) {
		make_table($db);
		$q = $db->prepare("INSERT INTO $table VALUES (?)");
		for ($i = 0; $i < ROUNDS; $i++) {
			$db->beginTransaction();
			$q->execute([$i]);
			$db->commit();
			$db->beginTransaction();
			$q->execute([1000 + $i]);
			try {
				$q->execute([$i]);
				throw new Exception('no error');
			} catch (PDOException $e) {
				same($e->getCode(), '23505');
			}
			$db->rollBack();
		}
		same(value($db, "SELECT count(*) FROM $table"), ROUNDS);
	},
	'listen' => function ($db) use ($channel) {
		$db->exec("LISTEN $channel");
		value($db, 'SELECT pg_notify(?, ?)', [$channel, 'hello']);
		$note = $db->pgsqlGetNotify(PDO::FETCH_ASSOC, 20000);
		if ($note === false)
			throw new Exception('no notification');
		same([$note['message'], $note['payload']],
		    [$channel, 'hello']);
	},
	'copy' => function ($db) use ($table) {
		make_table($db);
		$lines = [];
		for ($i = 0; $i < 1000; $i++)
			$lines[] = "$i\tcopied\n";
		$db->pgsqlCopyFromArray($table, $lines);
		same($db->pgsqlCopyToArray($table), $lines);
	},
	'cancel' => null, // it has none
	'lock' => function ($db) use ($n) {
		value($db, 'SELECT pg_advisory_lock(?)', [$n]);
		for ($i = 0; $i < 5; $i++)
			same(value($db, 'SELECT ?::int', [$i]), $i);
		same(value($db, 'SELECT pg_advisory_unlock(?)', [$n]), true);
	},
];

foreach ($cells as $name => $cell) {
	$how = '-';
	if ($cell !== null) {
		try {
			$db = connect();
			$cell($db);
			$how = 'ok';
		} catch (Throwable $e) {
			$how = preg_replace('/\s+/', ' ', $e->getMessage());
		}
		$db = null;
	}
	echo "cell $name $how\n";
}
echo "done\n";

# DBD::Pg, which prepares on the server by names of its own.
use strict;
use warnings;
BEGIN {
	if (!eval { require DBI; require DBD::Pg; 1 }) {
		print "missing libdbd-pg-perl\n";
		exit 77;
	}
}
$| = 1;
my $n = $ENV{APP_WORKER};
my ($table, $channel, $rounds) = ("m_$n", "ch_$n", 20);

sub same
{
	my ($got, $expected) = @_;
	die "$got, not $expected\n" if $got ne $expected;
}

sub value
{
	my ($db, $sql, @args) = @_;
	return ($db->selectrow_array($sql, undef, @args))[0];
}

sub make_table
{
	my ($db) = @_;
	$db->do("DROP TABLE IF EXISTS $table");
	$db->do("CREATE TABLE $table (id int PRIMARY KEY, t text)");
}

my @cells = (
	prepared => sub {
		my ($db) = @_;
		my $q = $db->prepare("SELECT ?::int + ${n}000");
		for my $i (1 .. $rounds) {
			$q->execute($i);
			same($q->fetchrow_arrayref->[0], $n * 1000 + $i);
			$q->finish;
			same(value($db, "SELECT upper(?)", "x$i"), "X$i");
		}
	},
	pipeline => sub {
		my ($db) = @_;
		make_table($db);
		my $q = $db->prepare("INSERT INTO $table VALUES (?, ?)");
		$q->execute_array({}, [1 .. 100], [("r") x 100]);
		same(value($db, "SELECT count(*) FROM $table"), 100);
	},
	cursor => sub {
		my ($db) = @_;
		my ($rows, $got) = (0, 0);
		$db->begin_work;
		$db->do("DECLARE c CURSOR FOR SELECT generate_series(1, 500)");
		do {
			$got = @{$db->selectall_arrayref("FETCH 50 FROM c")};
			$rows += $got;
		} while ($got > 0);
		$db->commit;
		same($rows, 500);
	},
	set => sub {
		my ($db) = @_;
		$db->do("SET application_name = 'w$n'");
		for my $i (1 .. $rounds) {
			same(value($db, "SHOW application_name"), "w$n");
			same(value($db, "SHOW lock_timeout"), "1000${n}ms");
		}
	},
	txn => sub {
		my ($db) = @_;
		make_table($db);
		my $q = $db->prepare("INSERT INTO $table VALUES (?)");
		for my $i (1 .. $rounds) {
			$db->begin_work;
			$q->execute($i);
			$db->commit;
			$db->begin_work;
			$q->execute(1000 + $i);
			die "no error\n" if eval { $q->execute($i); 1 };
			same($db->state, '23505');
			$db->rollback;
		}
		same(value($db, "SELECT count(*) FROM $table"), $rounds);
	},
	listen => sub {
		my ($db) = @_;
		$db->do("LISTEN $channel");
		$db->do("SELECT pg_notify(?, 'hello')", undef, $channel);
		my ($note, $left) = (undef, 1000);
		until ($note = $db->pg_notifies) {
			die "no notification\n" if $left-- == 0;
			select(undef, undef, undef, 0.02);
		}
		same("@$note[0, 2]", "$channel hello");
	},
	copy => sub {
		my ($db) = @_;
		make_table($db);
		$db->do("COPY $table FROM STDIN");
		$db->pg_putcopydata("$_\tcopied\n") for 1 .. 1000;
		$db->pg_putcopyend;
		$db->do("COPY $table TO STDOUT");
		my ($line, $lines) = ('', 0);
		$lines++ while $db->pg_getcopydata($line) >= 0;
		same($lines, 1000);
	},
	cancel => sub {
		my ($db) = @_;
		my $q = $db->prepare("SELECT pg_sleep(30)",
			{ pg_async => DBD::Pg::PG_ASYNC() });
		$q->execute;
		select(undef, undef, undef, 0.3);
		die "not cancelled\n" if !$db->pg_cancel;
		same(value($db, "SELECT 7"), 7);
	},
	lock => sub {
		my ($db) = @_;
		value($db, "SELECT pg_advisory_lock(?)", $n);
		same(value($db, "SELECT ?::int", $_), $_) for 1 .. 5;
		same(value($db, "SELECT pg_advisory_unlock(?)", $n), 1);
	},
);

while (my ($name, $cell) = splice(@cells, 0, 2)) {
	my $how = 'ok';
	eval {
		my $db = DBI->connect("dbi:Pg:dbname=app;host=$ENV{APP_HOST};"
			. "port=$ENV{APP_PORT}", 'alice', '', { RaiseError => 1,
			PrintError => 0, pg_server_prepare => 1,
			pg_switch_prepared => 1 });
		$cell->($db);
		$db->disconnect;
		1;
	} or $how = $@ =~ s/\s+/ /gr;
	print "cell $name $how\n";
}
print "done\n";

"""Logins and TLS: what it costs to let clients in and to speak with them
behind encryption, and what those who are in feel of it."""

import os
import subprocess

from measure import Strace, cpu, pgbench
from rig import USER, Process
from sections import medians, paired, rounds, stop

PASSWORD = 'correct horse battery staple'
TLS_CELLS = (('full handshake', 'tls', '<= 0.9', 0.9),
             ('resumed', 'resumed', '<= 0.5', 0.5))


class Logins:
    """The load program for logins, told what to do line by line."""

    def __init__(self, rig, port):
        self.process = Process(
            rig, [rig.tools['logins'], str(port), USER, PASSWORD],
            f'logins-{rig.serial}', stdin=subprocess.PIPE,
            stdout=subprocess.PIPE)

    def __call__(self, command):
        child = self.process.child
        child.stdin.write(command.encode() + b'\n')
        child.stdin.flush()
        word, _, rest = child.stdout.readline().decode().strip().partition(' ')
        if word != 'ok':
            raise RuntimeError(f'logins: {command}: {rest or "gone"}')
        return [int(n) for n in rest.split()]

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.process.child.stdin.close()
        self.process.child.stdout.close()
        self.process.stop()


def certificate(rig):
    """Lines for an ini file; a certificate that all clients may take."""
    key, crt = os.path.join(rig.dir, 'tls.key'), os.path.join(rig.dir,
                                                             'tls.crt')
    if not os.path.exists(crt):
        rig.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
                 'ec_paramgen_curve:P-256', '-nodes', '-keyout', key, '-out',
                 crt, '-days', '300', '-subj', '/CN=localhost'])
    return ('client_tls_sslmode = allow\n'
            f'client_tls_key_file = {key}\nclient_tls_cert_file = {crt}')


def secrets(rig, kind):
    """The users' file: the password itself, or PostgreSQL's verifier."""
    text = PASSWORD
    if kind == 'verifier':
        rig.sql("SET password_encryption = 'scram-sha-256'; ALTER ROLE "
                f"{USER} PASSWORD '{PASSWORD}'")
        text = rig.sql("SELECT rolpassword FROM pg_authid WHERE rolname = "
                       f"'{USER}'")
    return rig.sheet(f'users-{kind}.txt', f'"{USER}" "{text}"\n')


def many_logins(stage, kind, n, threads=8):
    def measure(front):
        with Logins(stage.rig, front.port) as load:
            load(f'login {kind} {threads} {threads}')
            before = cpu(front.pid)
            got = load(f'login {kind} {n} {threads}')
            spent = cpu(front.pid) - before
        if kind == 'resumed' and front.name == 'pooler' and \
                got[1] < n * 0.9:
            stage.report.note(f'only {got[1]} of {n} were resumed')
        return spent / n / 1e6
    return measure


def c_logins(stage, seconds):
    """pgbench -C: a login for each transaction; libpq derives its key each
    time, and bounds the rate."""
    def measure(front):
        rig = front.rig
        rig.env['PGPASSWORD'] = PASSWORD
        before = cpu(front.pid)
        bench = rig.run([rig.postgres_tool('pgbench'), '-n', '-C', '-S', '-c',
                         '8', '-j', '2', '-T', str(max(int(seconds), 3)),
                         '-h', '127.0.0.1', '-p', str(front.port), '-U', USER,
                         'bench'])
        done = int(bench.split('actually processed: ')[1].split()[0])
        return (cpu(front.pid) - before) / done / 1e6
    return measure


def section_logins(stage):
    report, rig = stage.report, stage.rig
    n = 1000 if stage.quick else 4000
    report.title('CPU ms per login by SCRAM; ratio: pooler / pgbouncer '
                 '(lowest-highest)')
    for kind in ('plain', 'verifier'):
        fronts = stage.fronts('pooler', 'pgbouncer', auth='scram-sha-256',
                              users=secrets(rig, kind))
        if kind == 'plain':
            got = rounds(stage, fronts, stage.rounds,
                         c_logins(stage, stage.seconds))
            ratio, text = paired(got)
            report.row('pgbench -C, plain secret', medians(got), ratio,
                       '<= 0.07', None if ratio is None else ratio <= 0.07,
                       text)
        got = rounds(stage, fronts, stage.rounds,
                     many_logins(stage, 'plain', n // (4 if kind == 'plain'
                                                       else 1)))
        ours = medians(got).get('pooler')
        ratio, text = paired(got)
        report.row(f'login alone, {kind} secret', medians(got), ratio,
                   '<= 0.2 ms', None if ours is None else ours <= 0.2, text)
        calls(stage, fronts, kind)
        stop(fronts)


def attach(front):
    """As root, if we are: the pooler cannot be traced by its own user."""
    own, front.rig.identity = front.rig.identity, {}
    try:
        return Strace(front)
    finally:
        front.rig.identity = own


def calls(stage, fronts, kind):
    """What a login is in system calls; logins one after the other."""
    for name, front in fronts.items():
        with Logins(stage.rig, front.port) as load:
            load('login plain 10 1')
            counter = stage.guarded(name, lambda: attach(front))
            if counter is None:
                return
            load('login plain 200 1')
            counts = counter.stop()
        each = sorted(((v / 200, k) for k, v in counts.items()), reverse=True)
        stage.report.note(f'{name}, {kind} secret, system calls per login: '
                          + ', '.join(f'{k} {v:.2f}' for v, k in each
                                      if v >= 0.05))


def section_tls(stage):
    report, rig = stage.report, stage.rig
    n = 400 if stage.quick else 2000
    more = certificate(rig)
    report.title('TLS to clients; ratio: pooler / pgbouncer '
                 '(lowest-highest)')
    fronts = stage.fronts('pooler', 'pgbouncer', more=more)
    for text, kind, target, most in TLS_CELLS:
        got = rounds(stage, fronts, stage.rounds, many_logins(stage, kind, n))
        ratio, spread = paired(got)
        report.row(f'CPU ms per login, {text}', medians(got), ratio, target,
                   None if ratio is None else ratio <= most, spread)
    tls_bulk(stage, fronts)
    tls_select(stage, fronts)
    stop(fronts)
    storm(stage, more)


def tls_bulk(stage, fronts):
    megabytes = 50 if stage.quick else 300
    stage.rig.sql('DROP TABLE IF EXISTS secret_bulk; '
                  "CREATE UNLOGGED TABLE secret_bulk AS SELECT "
                  "repeat('x', 999) AS t FROM "
                  f'generate_series(1, {megabytes * 1000})', 'bench')

    def measure(front):
        with Logins(stage.rig, front.port) as load:
            load('read SELECT 1')
            before = cpu(front.pid)
            size = load('read COPY secret_bulk TO STDOUT')[0]
            spent = cpu(front.pid) - before
        return spent / size * 1000

    got = rounds(stage, fronts, stage.rounds, measure)
    ratio, spread = paired(got)
    stage.report.row('CPU ms per GB, COPY out', medians(got), ratio,
                     '<= 0.6', None if ratio is None else ratio <= 0.6,
                     spread)


def tls_select(stage, fronts):
    stage.rig.env['PGSSLMODE'] = 'require'

    def measure(front):
        before = cpu(front.pid)
        bench = pgbench(front, 32, 'simple', stage.seconds)
        return (cpu(front.pid) - before) / bench.transactions / 1000

    try:
        got = rounds(stage, fronts, stage.rounds, measure)
    finally:
        del stage.rig.env['PGSSLMODE']
    ratio, spread = paired(got)
    stage.report.row('CPU us/txn, pgbench -S, 32 clients', medians(got),
                     ratio, '<= 0.95', None if ratio is None
                     else ratio <= 0.95, spread)


def storm(stage, more):
    """By a verifier, so that PgBouncer has no keys to derive either."""
    rig = stage.rig
    seconds = 3 if stage.quick else 8
    fronts = stage.fronts('pooler', 'pgbouncer', auth='scram-sha-256',
                          users=secrets(rig, 'verifier'), more=more,
                          workers=2)
    calm = {}

    def measure(front):
        with Logins(rig, front.port) as load:
            calm.setdefault(front.name, []).append(
                load(f'storm {seconds} 50 0 0')[1])
            return load(f'storm {seconds} 50 150 150')[1]

    got = rounds(stage, fronts, stage.rounds, measure)
    ratio, spread = paired(got)
    stage.report.row('p99 us of 50 clients, nobody logs in', medians(calm))
    stage.report.row('p99 us of 50 clients, 150 SCRAM + 150 TLS logins/s',
                     medians(got), ratio, '<= 0.6',
                     None if ratio is None else ratio <= 0.6, spread)
    if 'pooler' in fronts:
        longest(stage, fronts['pooler'])
    stop(fronts)


def longest(stage, front):
    stage.rig.env['PGPASSWORD'] = PASSWORD
    rows = stage.rig.run([stage.rig.postgres_tool('psql'), '-X', '-q', '-A',
                          '-F', '|', '-h', '127.0.0.1', '-p', str(front.port),
                          '-U', USER, '-d', 'pgbouncer', '-c',
                          'SHOW WORKERS']).splitlines()
    at = rows[0].split('|').index('longest_turn_us')
    most = max(int(r.split('|')[at]) for r in rows[1:] if r.count('|'))
    stage.report.row('longest turn of a worker, CPU ms',
                     {'pooler': most / 1000}, None, '<= 5', most <= 5000)


SECTIONS = {'logins': section_logins, 'tls': section_tls}

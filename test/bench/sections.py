"""One function per section of the table. Each takes the stage: the rig, the
report, and how long things may take."""

import os
import resource

from measure import (Callgrind, Load, Perf, Strace, calls_per_transaction,
                     cost, cpu, median, pgbench, resident, threads,
                     whole_runs)
from rig import FRONTS, Missing, Pooler, Process, free_port, wait_for


class Stage:
    def __init__(self, rig, report, quick, rounds, pairs, seconds, only):
        self.rig = rig
        self.report = report
        self.quick = quick
        self.rounds = rounds
        self.pairs = pairs
        self.seconds = seconds
        self.names = only

    def fronts(self, *names, **setup):
        """Those of the named that can be had here, started."""
        started = {}
        for name in names or self.names:
            if name not in self.names:
                continue
            try:
                started[name] = FRONTS[name](self.rig, **setup)
            except Missing as e:
                self.report.note(str(e))
            except RuntimeError as e:
                self.report.error(name, e)
        return started

    def guarded(self, name, what):
        """what(), or None and a note when it cannot be done."""
        try:
            return what()
        except Missing as e:
            self.report.note(str(e))
        except RuntimeError as e:
            self.report.error(name, e)
        return None

    def each(self, clients):
        """Transactions a client, where time cannot be the limit."""
        return max(int(self.seconds * 15000 / clients), 10)


def stop(fronts):
    for f in fronts.values():
        f.stop()


def medians(got):
    return {name: median(v) for name, v in got.items() if v}


def paired(got, a='pooler', b='pgbouncer'):
    """Median and spread of a's value over b's, round by round."""
    pairs = [x / y for x, y in zip(got.get(a, []), got.get(b, [])) if y]
    if not pairs:
        return None, None
    m = median(pairs)
    return m, f'{m:.2f} ({min(pairs):.2f}-{max(pairs):.2f})'


def rounds(stage, fronts, n, measure):
    """measure(front) n times for each, taking turns and starting with another
    one each time, so that drift of the machine hits all alike. The relay has
    a server process for each client, takes long, and is there for scale: three
    rounds do for it."""
    got = {name: [] for name in fronts}
    order = list(fronts)
    for i in range(n):
        for name in order:
            if name == 'haproxy' and i >= 3:
                continue
            value = stage.guarded(name, lambda: measure(fronts[name]))
            if value is not None:
                got[name].append(value)
        order = order[1:] + order[:1]
    return got


# -- CPU per transaction, tps

CPU_CELLS = (('simple', 'transaction'), ('extended', 'transaction'),
             ('prepared', 'session'))


def section_cpu(stage):
    report = stage.report
    report.title(f'CPU per transaction and tps: pgbench -S, pool 20, 1 '
                 f'worker, {stage.pairs} interleaved rounds; ratio: pooler / '
                 'pgbouncer (lowest-highest)')
    for protocol, mode in CPU_CELLS:
        for clients in (1, 32, 1000):
            cpu_cell(stage, protocol, mode, clients)
    report.note('a ratio within 10 % of its target is noise of the machine: '
                'see instructions and calls')


def cpu_cell(stage, protocol, mode, clients):
    report = stage.report
    fronts = stage.fronts(mode=mode)
    # In session mode the clients beyond the pool wait until others leave;
    # and pgbench takes the logins of many out of the time it was given.
    amount = ({'each': stage.each(clients)}
              if mode == 'session' or clients >= 100
              else {'seconds': stage.seconds})
    for f in fronts.values():
        stage.guarded(f.name, lambda: pgbench(f, clients, protocol, each=5))
    got = rounds(stage, fronts, stage.pairs,
                 lambda f: cost(f, clients, protocol, **amount))
    stop(fronts)
    us = {k: [c / 1000 for c, _ in v] for k, v in got.items()}
    tps = {k: [t for _, t in v] for k, v in got.items()}
    what = f'{protocol}, {clients} clients'
    if mode == 'session':
        what += ', session'
    ratio, text = paired(us)
    report.row(f'{what}: CPU us/txn', medians(us), ratio, '<= 0.95',
               None if ratio is None else ratio <= 0.95, text)
    ratio, text = paired(tps)
    report.row(f'{what}: tps', medians(tps), ratio, '>= 1',
               None if ratio is None else ratio >= 1, text)


# -- system calls

def counters(stage):
    if Perf.works():
        yield Perf
    else:
        stage.report.note('calls by strace only: perf needs root and '
                          'tracepoints')
    yield Strace


def call_text(counts):
    busy = sorted(counts.items(), key=lambda kv: -kv[1])
    return ', '.join(f'{k} {v:.2f}' for k, v in busy if v >= 0.005)


def section_calls(stage):
    report = stage.report
    report.title('system calls per transaction: pgbench -S simple, pool 20 '
                 '(strace slows its process, so more is ready at each wait)')
    for workers in (1, 2, 4):
        for clients, limit in ((20, 4.3), (64, 4.6)):
            for counter in counters(stage):
                calls_cell(stage, counter, workers, clients,
                           limit if workers == 1 else None)


def calls_cell(stage, counter, workers, clients, limit):
    report = stage.report
    names = stage.names if workers == 1 else ('pooler',)
    fronts = stage.fronts(*names, workers=workers)
    each = max(int((60 if counter is Strace else 300) * stage.seconds *
                   20 / clients), 20)
    detail = {}
    for name, front in fronts.items():
        def once():
            pgbench(front, clients, each=20)
            return calls_per_transaction(counter, front, clients, each)

        counts = stage.guarded(name, once)
        if counts is not None:
            detail[name] = counts
    stop(fronts)
    totals = {k: sum(v.values()) for k, v in detail.items()}
    ours = totals.get('pooler')
    what = f'{clients} clients, {workers} workers ({counter.name})'
    ratio = (ours / totals['pgbouncer']
             if ours and totals.get('pgbouncer') else None)
    report.row(f'{what}: calls/txn', totals, ratio,
               f'<= {limit}' if limit else '',
               None if ours is None or not limit else ours <= limit)
    for name, counts in detail.items():
        report.note(f'calls/txn, {what}, {name}: {call_text(counts)}')
    if workers > 1 and 'pooler' in detail and clients == 64:
        futex = detail['pooler'].get('futex', 0)
        report.row(f'{what}: futex calls/txn', {'pooler': futex}, None,
                   '<= 0.05', futex <= 0.05)


# -- prepared statements

def section_prepared(stage):
    """PgBouncer of Debian 12 has none of its own, so the relay is the
    measure: it does nothing at all."""
    report = stage.report
    report.title('pgbench -S -M prepared in transaction mode, pool 20, 32 '
                 'clients, 1 worker; ratio: pooler / haproxy')
    fronts = stage.fronts('pooler', 'haproxy')
    for f in fronts.values():
        stage.guarded(f.name, lambda: pgbench(f, 32, 'prepared', each=5))
    got = rounds(stage, fronts, 3,
                 lambda f: cost(f, 32, 'prepared', each=stage.each(32)))
    us = {k: [c / 1000 for c, _ in v] for k, v in got.items()}
    ratio, text = paired(us, b='haproxy')
    report.row('CPU us/txn', medians(us), ratio, '<= 1.1',
               None if ratio is None else ratio <= 1.1, text)
    for counter in counters(stage):
        detail = {}
        for name, front in fronts.items():
            counts = stage.guarded(name, lambda: calls_per_transaction(
                counter, front, 32, stage.each(32), 'prepared'))
            if counts is not None:
                detail[name] = counts
        totals = {k: sum(v.values()) for k, v in detail.items()}
        ours = totals.get('pooler')
        report.row(f'calls/txn ({counter.name})', totals, None, '<= 4.6',
                   None if ours is None else ours <= 4.6)
        for name, counts in detail.items():
            report.note(f'calls/txn, prepared ({counter.name}), {name}: '
                        f'{call_text(counts)}')
    stop(fronts)


# -- several workers

def section_workers(stage):
    """CPU of two or four workers against one, and how even they are."""
    report = stage.report
    report.title('worker threads: pgbench -S simple, 64 clients, pool 20; '
                 'ratio: to 1 worker (lowest-highest)')
    fronts = {}
    for workers in (1, 2, 4):
        for name in stage.names:
            if name == 'pgbouncer' and workers > 1:
                continue
            more = stage.fronts(name, workers=workers)
            fronts.update({(name, workers): f for f in more.values()})
    even = {}

    def measure(front):
        before = threads(front.pid)
        bench = pgbench(front, 64, seconds=stage.seconds)
        after = threads(front.pid)
        spent = {t: (ns - before.get(t, (0, ''))[0], comm)
                 for t, (ns, comm) in after.items()}
        even.setdefault(front.tag, []).append(spent)
        total = sum(ns for ns, _ in spent.values())
        return total / bench.transactions / 1000, bench.tps

    for f in fronts.values():
        stage.guarded(f.name, lambda: pgbench(f, 64, each=20))
    got = rounds(stage, fronts, stage.rounds, measure)
    stop(fronts)
    us = {k: [c for c, _ in v] for k, v in got.items()}
    for workers in (1, 2, 4):
        cells = {n: median(us[n, workers]) for n in stage.names
                 if us.get((n, workers))}
        ratio, text = paired(us, ('pooler', workers), ('pooler', 1))
        target = '<= 1.1' if workers > 1 else ''
        report.row(f'{workers} workers: CPU us/txn', cells,
                   None if workers == 1 else ratio, target,
                   None if ratio is None or not target else ratio <= 1.1,
                   text)
        tps = {n: median([t for _, t in got[n, workers]])
               for n in stage.names if got.get((n, workers))}
        report.row(f'{workers} workers: tps', tps)
        front = fronts.get(('pooler', workers))
        if workers > 1 and front is not None and even.get(front.tag):
            shares = [evenness(s, workers) for s in even[front.tag]]
            report.row(f'{workers} workers: least busy / busiest',
                       {'pooler': median(shares)}, None, '>= 0.8',
                       median(shares) >= 0.8)


def evenness(spent, workers):
    """Least over most CPU of the worker threads: those named so, or else the
    busiest ones."""
    named = [ns for ns, comm in spent.values() if 'work' in comm]
    if len(named) != workers:
        named = sorted(ns for ns, _ in spent.values())[-workers:]
    return min(named) / max(max(named), 1)


# -- a big result

def section_copy(stage):
    report = stage.report
    megabytes = 100 if stage.quick else 400
    report.title(f'COPY of {megabytes} MB out, rows of 1 kB')
    stage.rig.sql(
        "CREATE UNLOGGED TABLE bulk AS SELECT repeat('x', 999) AS t "
        f"FROM generate_series(1, {megabytes * 1000})", 'bench')
    fronts = stage.fronts()
    speed = {}

    def measure(front):
        with Load(stage.rig, '127.0.0.1', front.port) as load:
            load('read bench SELECT 1')
            before = cpu(front.pid)
            size = load('read bench COPY bulk TO STDOUT')
            spent = cpu(front.pid) - before
        if size < megabytes * 10**6:
            raise RuntimeError(f'COPY gave {size} bytes only')
        speed.setdefault(front.name, []).append(spent)
        return spent / size * 1000

    got = rounds(stage, fronts, stage.rounds, measure)
    stop(fronts)
    ratio, text = paired(got)
    report.row('CPU ms per GB', medians(got), ratio, '<= 0.45',
               None if ratio is None else ratio <= 0.45, text)


# -- memory of idle clients

def section_idle(stage):
    report = stage.report
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    n = 2000 if stage.quick else 5000
    if hard < 2 * n + 500:
        n = (hard - 500) // 2
    report.title(f'an idle plain client: resident bytes, slope from {n:,} to '
                 f'{2 * n:,} clients')
    for queried in (False, True):
        fronts = stage.fronts('pooler', 'pgbouncer')
        got = {}
        for name, front in fronts.items():
            slope = stage.guarded(
                name, lambda: idle_slope(stage, front, n, queried))
            if slope is not None:
                got[name] = slope
        stop(fronts)
        ours = got.get('pooler')
        other = got.get('pgbouncer')
        report.row('after a query each' if queried else 'fresh', got,
                   ours / other if ours and other else None, '<= 1,000',
                   None if ours is None else ours <= 1000)


def idle_slope(stage, front, n, queried):
    with Load(stage.rig, '127.0.0.1', front.port) as load:
        sizes = []
        load('open bench 100')
        load('query')
        for _ in range(2):
            load(f'open bench {n}')
            if queried:
                load('query')
            sizes.append(resident(front.pid))
        return (sizes[1] - sizes[0]) / n


# -- very many pools

def section_pools(stage):
    report = stage.report
    n = 10000 if stage.quick else 100000
    report.title(f'{n:,} idle pools beside a busy one; ratio: to a process '
                 'without them')
    rig = stage.rig
    port = free_port()
    server = Process(rig, [rig.tools['fakepg'], rig.dir, str(port), '100'],
                     'fakepg')
    databases = '\n'.join(
        f'idle{i:06d} = host={rig.dir} port={port} dbname=x'
        for i in range(n))
    # PgBouncer takes half a minute for so long a file.
    setup = {'databases': databases, 'patience': 120,
             'more': 'server_idle_timeout = 1\nserver_login_retry = 1'}
    try:
        plain = stage.fronts('pooler', 'pgbouncer')
        full = stage.fronts('pooler', 'pgbouncer', **setup)
        for name in list(full):
            if stage.guarded(name, lambda: visit(stage, full[name], n)) is None:
                full.pop(name).stop()
        pools_memory(stage, plain, full, n)
        pools_cpu(stage, plain, full)
        stop(plain)
        stop(full)
        if not stage.quick:
            pools_instructions(stage, n, setup)
    finally:
        server.stop()


def visit(stage, front, n):
    """One login to each idle database makes its pool. The true number of pools
    is asked for, since a pooler might not make one for a login."""
    with Load(stage.rig, front.socket_dir, front.port) as load:
        load(f'visit idle 0 {n}')
    rows = stage.rig.sql('SHOW LISTS', 'pgbouncer', front.port)
    pools = dict(r.split('|')[:2] for r in rows.splitlines())['pools']
    if int(pools) < n:
        stage.report.note(f'{front.name}: {n:,} logins made {pools} pools')
    wait_for(f'{front.tag}: idle servers to go',
             lambda: servers(stage, front) <= 30, 60)
    return True


def servers(stage, front):
    rows = stage.rig.sql('SHOW LISTS', 'pgbouncer', front.port)
    lists = dict(r.split('|')[:2] for r in rows.splitlines())
    return int(lists['free_servers']) if front.name == 'pooler' else 0


def pools_memory(stage, plain, full, n):
    totals = {k: resident(f.pid) / 1e6 for k, f in full.items()}
    each = {k: (resident(full[k].pid) - resident(plain[k].pid)) / n
            for k in full if k in plain}
    ours = totals.get('pooler')
    stage.report.row('resident MB', totals, None, '< 100',
                     None if ours is None else ours < 100)
    stage.report.row('resident bytes per pool and database line', each)


def pools_cpu(stage, plain, full):
    both = {(k, 'plain'): f for k, f in plain.items()}
    both.update({(k, 'full'): f for k, f in full.items()})
    for f in both.values():
        stage.guarded(f.name, lambda: pgbench(f, 32, each=20))
    got = rounds(stage, both, stage.rounds,
                 lambda f: cost(f, 32, 'simple', stage.seconds)[0] / 1000)
    cells = {k: median(got[k, 'full']) for k in full if got.get((k, 'full'))}
    ratio, text = paired(got, ('pooler', 'full'), ('pooler', 'plain'))
    other, other_text = paired(got, ('pgbouncer', 'full'),
                               ('pgbouncer', 'plain'))
    stage.report.row('CPU us/txn, 32 clients', cells, ratio, '<= 1.05',
                     None if ratio is None else ratio <= 1.05, text)
    if other is not None:
        stage.report.note("pgbouncer's own CPU ratio with the idle pools: "
                          + other_text)


def pools_instructions(stage, n, setup):
    got = {}
    for kind in ('plain', 'full'):
        def once():
            grind = Callgrind(stage.rig, Pooler,
                              **(setup if kind == 'full' else {}))
            try:
                if kind == 'full':
                    visit(stage, grind.front, n)
                pgbench(grind.front, 32, each=5)
                return grind.per_transaction(32, 'simple', 100)
            finally:
                grind.front.stop()

        got[kind] = stage.guarded('pooler', once) \
            if 'pooler' in stage.names else None
    ratio = (got['full'] / got['plain']
             if got['full'] and got['plain'] else None)
    stage.report.row('instructions/txn, 32 clients', {'pooler': got['full']},
                     ratio, '<= 1.05', None if ratio is None
                     else ratio <= 1.05)


# -- instructions

def section_instructions(stage):
    report = stage.report
    report.title('instructions per transaction, in user space (callgrind): '
                 'pgbench -S, pool 20, 1 worker; ratio: pooler / pgbouncer')
    for protocol, mode in CPU_CELLS:
        got = {}
        for name in stage.names:
            def once():
                return {n: whole_runs(stage.rig, FRONTS[name], n,
                                      (20000 if stage.quick else 50000) // n,
                                      protocol=protocol, mode=mode)
                        for n in ((1, 32) if mode == 'transaction'
                                  else (1, 20))}

            counts = stage.guarded(name, once)
            for clients, value in (counts or {}).items():
                got.setdefault(clients, {})[name] = value
        for clients, values in got.items():
            ours, other = values.get('pooler'), values.get('pgbouncer')
            ratio = ours / other if ours and other else None
            report.row(f'{protocol}, {clients} clients, {mode}', values,
                       ratio, '<= 0.95', None if ratio is None
                       else ratio <= 0.95)


# -- extras

# Everything on that costs something and does nothing here.
WATCHED = '''
log_min_duration = 3600000
max_waiting_clients = 1000000
max_db_connections = 1000000
max_user_connections = 1000000
max_db_client_connections = 1000000
max_user_client_connections = 1000000
'''


def section_extras(stage):
    """What the slow log and the limits cost those who never meet them."""
    report = stage.report
    report.title('instructions per transaction with a slow log and limits '
                 'that nobody reaches, against the same without')
    if 'pooler' not in stage.names:
        return
    for clients in (1, 32):
        got = {}
        for kind, more in (('off', ''), ('on', WATCHED)):
            def once():
                return whole_runs(stage.rig, Pooler, clients,
                                  (20000 if stage.quick else 50000) // clients,
                                  more=more)

            got[kind] = stage.guarded('pooler', once)
        ratio = got['on'] / got['off'] if got['on'] and got['off'] else None
        report.row(f'simple, {clients} clients (off: {got["off"]:.0f})',
                   {'pooler': got['on']}, ratio, '<= 1.03',
                   None if ratio is None else ratio <= 1.03)


SECTIONS = {name[len('section_'):]: function
            for name, function in list(globals().items())
            if name.startswith('section_')}

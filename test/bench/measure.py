"""How things are measured: processor time, memory, system calls,
instructions, and the load that drives them."""

import glob
import os
import re
import signal
import statistics
import subprocess
import time

from rig import USER, Process, find, need, wait_for


def threads(pid):
    """CPU nanoseconds and name of each thread, by thread id."""
    found = {}
    for task in glob.glob(f'/proc/{pid}/task/*'):
        try:
            with open(task + '/comm') as f:
                comm = f.read().strip()
            found[int(os.path.basename(task))] = (cpu_of(task), comm)
        except OSError:
            pass
    return found


def cpu_of(task):
    """The scheduler's own sum where there is one, else the clock ticks."""
    try:
        with open(task + '/schedstat') as f:
            return int(f.read().split()[0])
    except OSError:
        with open(task + '/stat') as f:
            fields = f.read().rsplit(')', 1)[1].split()
        ticks = int(fields[11]) + int(fields[12])
        return ticks * 10**9 // os.sysconf('SC_CLK_TCK')


def cpu(pid):
    return sum(ns for ns, _ in threads(pid).values())


def resident(pid):
    """Bytes; smaps_rollup is exact where VmRSS lags behind by a page batch."""
    with open(f'/proc/{pid}/smaps_rollup') as f:
        return int(re.search(r'^Rss:\s+(\d+)', f.read(), re.M)[1]) * 1024


class Bench:
    """One pgbench run's outcome."""

    def __init__(self, text):
        done = re.search(r'actually processed: (\d+)', text)
        tps = re.search(r'^tps = ([\d.]+)', text, re.M)
        if not done or not tps:
            raise RuntimeError('pgbench: no result: ' + text.strip()[-200:])
        self.transactions = int(done[1])
        self.tps = float(tps[1])
        self.failed = int(
            (re.search(r'failed transactions: (\d+)', text) or [0, 0])[1])


def pgbench(front, clients, protocol='simple', seconds=None, each=None):
    """A thread for each client where some wait for others to leave: pgbench
    prepares statements one after the other in each of its threads, so one
    that waits would keep those from leaving that it waits for."""
    rig = front.rig
    amount = ['-t', str(each)] if each else ['-T', str(int(seconds))]
    workers = clients if protocol == 'prepared' else min(clients, 2)
    text = rig.run([rig.postgres_tool('pgbench'), '-n', '-S', '-M', protocol,
                    '-c', str(clients), '-j', str(workers),
                    *amount, '-h', '127.0.0.1', '-p', str(front.port),
                    '-U', USER, 'bench'], timeout=300)
    bench = Bench(text)
    if bench.failed:
        raise RuntimeError(f'{front.tag}: {bench.failed} failed transactions')
    return bench


def cost(front, clients, protocol, seconds=None, each=None):
    """(CPU ns per transaction, tps). The logins of many clients would count
    as transactions, so what a run of one transaction each costs is taken
    off."""
    base_ns = base_n = 0
    if clients >= 100:
        before = cpu(front.pid)
        base_n = pgbench(front, clients, protocol, each=1).transactions
        base_ns = cpu(front.pid) - before
    before = cpu(front.pid)
    bench = pgbench(front, clients, protocol, seconds, each)
    ns = cpu(front.pid) - before
    return ((ns - base_ns) / (bench.transactions - base_n), bench.tps)


class Strace:
    """strace -c on a running process: counts per call. It slows the process
    down, so that more is ready at each wait: its figures are the kind ones.
    Only root may look at the pooler, which holds passwords."""

    name = 'strace'

    def __init__(self, front):
        self.path = os.path.join(front.rig.dir, front.tag + '.strace')
        self.process = Process(
            front.rig, [need('strace', 'strace'), '-f', '-c', '-U',
                        'calls,name', '-o', self.path, '-p', str(front.pid)],
            front.tag + '-strace', ourselves=True)
        wait_for('strace', lambda: self.traced(front.pid))

    def traced(self, pid):
        if not self.process.alive():
            raise RuntimeError('strace: ' + self.process.tail())
        with open(f'/proc/{pid}/status') as f:
            return 'TracerPid:\t0\n' not in f.read()

    def stop(self):
        self.process.stop(signal.SIGINT)
        with open(self.path) as f:
            rows = re.findall(r'^\s*(\d+)\s+(\w+)$', f.read(), re.M)
        os.unlink(self.path)
        return {name: int(n) for n, name in rows if name != 'total'}


class Perf:
    """perf's tracepoints: exact and hardly felt, but for root alone."""

    name = 'perf'
    calls = ('epoll_wait', 'epoll_ctl', 'recvfrom', 'recvmsg', 'read',
             'readv', 'sendto', 'sendmsg', 'write', 'writev', 'futex',
             'accept4', 'close', 'clock_gettime')

    def __init__(self, front):
        self.path = os.path.join(front.rig.dir, front.tag + '.perf')
        events = ['raw_syscalls:sys_enter']
        events += [f'syscalls:sys_enter_{c}' for c in self.calls
                   if os.path.isdir('/sys/kernel/tracing/events/syscalls/'
                                    f'sys_enter_{c}')]
        self.child = subprocess.Popen(
            [find('perf'), 'stat', '-x', ',', '-o', self.path,
             '-e', ','.join(events), '-p', str(front.pid)],
            start_new_session=True)
        time.sleep(0.5)

    def stop(self):
        self.child.send_signal(signal.SIGINT)
        self.child.wait()
        with open(self.path) as f:
            rows = re.findall(r'^(\d+),.*?:sys_enter_?(\w*),', f.read(), re.M)
        os.unlink(self.path)
        found = {name or 'all': int(n) for n, name in rows}
        if 'all' not in found:
            raise RuntimeError('perf counted nothing')
        found['other'] = found.pop('all') - sum(found.values())
        return found

    @staticmethod
    def works():
        if os.getuid() != 0 or find('perf') is None:
            return False
        p = subprocess.run([find('perf'), 'stat', '-x', ',', '-e',
                            'raw_syscalls:sys_enter', 'true'], text=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        return p.returncode == 0 and p.stderr[:1].isdigit()


def calls_per_transaction(counter, front, clients, each, protocol='simple'):
    """By difference of a short run and a long one, which takes the logins out.
    {call: number per transaction}"""
    counts, transactions = [], []
    for n in (max(each // 10, 1), each):
        tool = counter(front)
        transactions.append(
            pgbench(front, clients, protocol, each=n).transactions)
        counts.append(tool.stop())
    more = transactions[1] - transactions[0]
    return {name: (counts[1][name] - counts[0].get(name, 0)) / more
            for name in counts[1]}


class Callgrind:
    """Instructions, from a process that runs under valgrind. Counting is off
    until the first load, so that starting up stays quick."""

    def __init__(self, rig, front_class, **setup):
        self.out = os.path.join(rig.dir, f'callgrind.{rig.serial}')
        self.front = front_class(rig, wrapper=[
            need('valgrind', 'valgrind'), '-q', '--tool=callgrind',
            '--instr-atstart=no', f'--callgrind-out-file={self.out}',
            '--max-threads=64'], **setup)
        self.dumps = 0
        self.on = False

    def control(self, *args):
        self.front.rig.run([need('callgrind_control', 'valgrind'), *args,
                            str(self.front.pid)])

    def count(self, load):
        """Instructions that load() cost."""
        if not self.on:
            self.control('-i', 'on')
            self.on = True
        self.control('-z')
        load()
        self.control('-d', 'bench')
        self.dumps += 1
        path = f'{self.out}.{self.dumps}'
        wait_for(path, lambda: os.path.exists(path))
        with open(path) as f:
            # A dump of several threads has a summary for each part.
            text = f.read()
        return sum(int(n) for n in re.findall(r'^summary: (\d+)', text, re.M))

    def per_transaction(self, clients, protocol, each):
        got = []
        for n in (max(each // 10, 1), each):
            done = []
            count = self.count(lambda: done.append(pgbench(
                self.front, clients, protocol, each=n).transactions))
            got.append((count, done[0]))
        return (got[1][0] - got[0][0]) / (got[1][1] - got[0][1])


def whole_run(rig, front_class, clients, each, protocol='simple', **setup):
    """(instructions, transactions) of a process from start to end. It need
    not be one that another may trace while it runs."""
    out = os.path.join(rig.dir, f'whole.{rig.serial}')
    front = front_class(rig, wrapper=[
        need('valgrind', 'valgrind'), '-q', '--tool=callgrind',
        f'--callgrind-out-file={out}', '--max-threads=64'], **setup)
    try:
        done = pgbench(front, clients, protocol, each=each).transactions
    finally:
        front.stop()
    wait_for(out, lambda: os.path.exists(out))
    with open(out) as f:
        text = f.read()
    return (sum(int(n) for n in re.findall(r'^summary: (\d+)', text, re.M)),
            done)


def whole_runs(rig, front_class, clients, each, **setup):
    """Instructions per transaction, from a short run and a long one."""
    got = [whole_run(rig, front_class, clients, n, **setup)
           for n in (max(each // 10, 1), each)]
    return (got[1][0] - got[0][0]) / (got[1][1] - got[0][1])


class Load:
    """The bench's own load program, told what to do line by line."""

    def __init__(self, rig, host, port):
        self.process = Process(
            rig, [rig.tools['load'], host, str(port), USER],
            f'load-{rig.serial}', stdin=subprocess.PIPE,
            stdout=subprocess.PIPE)

    def __call__(self, command):
        child = self.process.child
        child.stdin.write(command.encode() + b'\n')
        child.stdin.flush()
        word, _, rest = child.stdout.readline().decode().strip().partition(' ')
        if word != 'ok':
            raise RuntimeError(f'load: {command}: {rest or "gone"}')
        return int(rest)

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.process.child.stdin.close()
        self.process.child.stdout.close()
        self.process.stop()


def median(values):
    return statistics.median(values)

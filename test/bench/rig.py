"""What stands on the bench: a PostgreSQL cluster of our own, and in front of it
the pooler, Debian's PgBouncer and an HAProxy relay, each started by us, on
ports of its own, as an unprivileged user, and gone when the bench ends."""

import ctypes
import grp
import os
import pwd
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time

USER = 'bench'
PR_SET_PDEATHSIG = 1
PR_SET_PTRACER = 0x59616d61


class Missing(Exception):
    """A part of the bench that this machine, or this pooler, does not have."""


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def find(name, *more):
    """The path of a program, looked for beside PATH where Debian keeps it."""
    path = os.pathsep.join([os.environ.get('PATH', ''), '/usr/sbin',
                            '/usr/local/sbin', *more])
    return shutil.which(name, path=path)


def need(name, package, *more):
    path = find(name, *more)
    if path is None:
        raise Missing(f'{name} is not installed (Debian: {package})')
    return path


def newest_postgres():
    top = '/usr/lib/postgresql'
    versions = os.listdir(top) if os.path.isdir(top) else []
    versions = sorted((v for v in versions if v.isdigit()), key=int)
    return [f'{top}/{v}/bin' for v in reversed(versions)]


def wait_for(what, condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f'{what}: not within {seconds} s')
        time.sleep(0.02)


def answers(port):
    try:
        socket.create_connection(('127.0.0.1', port), 1).close()
        return True
    except OSError:
        return False


class Process:
    """A child that dies with us, run as the bench's unprivileged user, or as
    we are ourselves."""

    def __init__(self, rig, argv, name, ourselves=False, **kw):
        libc = ctypes.CDLL(None)

        def settle():
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            libc.prctl(PR_SET_PTRACER, ctypes.c_ulong(-1))
            hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

        self.name = name
        self.log = open(os.path.join(rig.dir, name + '.out'), 'ab')
        kw.setdefault('stdout', self.log)
        self.child = subprocess.Popen(
            argv, stderr=self.log, cwd=rig.dir, env=rig.env,
            start_new_session=True, preexec_fn=settle,
            **({} if ourselves else rig.identity), **kw)
        self.pid = self.child.pid
        rig.processes.append(self)
        self.rig = rig

    def alive(self):
        return self.child.poll() is None

    def tail(self):
        with open(self.log.name, errors='replace') as f:
            return ''.join(f.readlines()[-5:]).strip()

    def stop(self, sig=signal.SIGTERM, patience=20):
        if self.alive():
            self.child.send_signal(sig)
            try:
                self.child.wait(patience)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
        self.log.close()
        if self in self.rig.processes:
            self.rig.processes.remove(self)


class Rig:
    """The folder, the user and the cluster that everything else shares."""

    def __init__(self, tools):
        self.processes = []
        self.tools = tools
        self.serial = 0
        self.dir = tempfile.mkdtemp(prefix='pooler-bench-')
        self.identity = {}
        self.env = dict(os.environ, LC_ALL='C')
        if os.getuid() == 0:
            self.become_ordinary()
        os.chmod(self.dir, 0o755)
        self.bin = newest_postgres()
        self.cluster()

    def become_ordinary(self):
        for name in ('postgres', 'nobody'):
            try:
                user = pwd.getpwnam(name)
                break
            except KeyError:
                continue
        group = grp.getgrgid(user.pw_gid)
        self.identity = {'user': user.pw_uid, 'group': group.gr_gid,
                         'extra_groups': []}
        self.env.update(USER=user.pw_name, LOGNAME=user.pw_name,
                        HOME=self.dir)
        os.chown(self.dir, user.pw_uid, group.gr_gid)

    def run(self, argv, **kw):
        kw.setdefault('timeout', 900)
        try:
            p = subprocess.run(argv, env=self.env, cwd=self.dir, text=True,
                               stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, **self.identity, **kw)
        except subprocess.TimeoutExpired:
            raise RuntimeError(f'{os.path.basename(argv[0])}: not done '
                               f'within {kw["timeout"]} s') from None
        if p.returncode != 0:
            raise RuntimeError(f'{os.path.basename(argv[0])}: exit '
                               f'{p.returncode}: {p.stderr.strip()[-600:]}')
        return p.stdout

    def postgres_tool(self, name):
        return need(name, 'postgresql', *self.bin)

    def cluster(self):
        data = os.path.join(self.dir, 'data')
        self.run([self.postgres_tool('initdb'), '-D', data, '-U', USER,
                  '-A', 'trust', '--no-sync', '-E', 'UTF8', '--locale=C'])
        self.port = free_port()
        with open(os.path.join(data, 'postgresql.conf'), 'a') as f:
            f.write(f'''
port = {self.port}
listen_addresses = '127.0.0.1'
unix_socket_directories = '{self.dir}'
max_connections = 1300
shared_buffers = 256MB
max_wal_size = 4GB
fsync = off
synchronous_commit = off
full_page_writes = off
autovacuum = off
jit = off
''')
        self.postgres = Process(
            self, [self.postgres_tool('postgres'), '-D', data], 'postgres')
        wait_for('postgres', self.cluster_ready)
        self.sql('CREATE DATABASE bench')
        self.run([self.postgres_tool('pgbench'), '-i', '-q', '-s', '10',
                  '-h', '127.0.0.1', '-p', str(self.port), '-U', USER,
                  'bench'])
        self.sql('VACUUM ANALYZE', 'bench')

    def cluster_ready(self):
        if not self.postgres.alive():
            raise RuntimeError('postgres: ' + self.postgres.tail())
        try:
            self.sql('SELECT 1')
            return True
        except RuntimeError:
            return False

    def sql(self, text, db='postgres', port=None):
        return self.run([self.postgres_tool('psql'), '-X', '-At', '-q',
                         '-h', '127.0.0.1', '-p', str(port or self.port),
                         '-U', USER, '-d', db, '-c', text]).strip()

    def sheet(self, name, text):
        """A file in our folder; its path."""
        path = os.path.join(self.dir, name)
        with open(path, 'w') as f:
            f.write(text)
        os.chmod(path, 0o644)
        return path

    def close(self):
        for p in reversed(self.processes[:]):
            p.stop(signal.SIGINT if p.name == 'postgres' else
                   signal.SIGTERM)
        shutil.rmtree(self.dir, ignore_errors=True)


class Front:
    """Something that stands before the cluster. One process of its own."""

    name = None

    def __init__(self, rig, wrapper=(), patience=20, **setup):
        rig.serial += 1
        self.rig = rig
        self.port = free_port()
        self.tag = f'{self.name}-{rig.serial}'
        self.socket_dir = os.path.join(rig.dir, self.tag)
        os.mkdir(self.socket_dir)
        os.chmod(self.socket_dir, 0o777)
        argv = self.prepare(**setup)
        self.process = Process(rig, [*wrapper, *argv], self.tag)
        self.pid = self.process.pid
        try:
            wait_for(self.tag, self.up, patience * (5 if wrapper else 1))
        except RuntimeError as e:
            tail = self.process.tail()
            self.stop()
            raise RuntimeError(f'{e}\n{tail}') from None

    def up(self):
        if not self.process.alive():
            raise RuntimeError(f'{self.tag} ended')
        return answers(self.port)

    def stop(self):
        self.process.stop(signal.SIGTERM if self.name == 'haproxy'
                          else signal.SIGINT, 8)

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.stop()


class Pgbouncer(Front):
    name = 'pgbouncer'
    own = ''

    def binary(self):
        return need('pgbouncer', 'pgbouncer')

    def prepare(self, pool=20, mode='transaction', workers=1, databases='',
                more='', auth='trust', users=None):
        rig = self.rig
        users = users or rig.sheet('users.txt', f'"{USER}" ""\n')
        own = self.own.format(workers=workers)
        ini = rig.sheet(self.tag + '.ini', f'''[databases]
bench = host=127.0.0.1 port={rig.port} dbname=bench
{databases}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {self.port}
listen_backlog = 4096
unix_socket_dir = {self.socket_dir}
auth_type = {auth}
auth_file = {users}
admin_users = {USER}
pool_mode = {mode}
default_pool_size = {pool}
max_client_conn = 16000
query_wait_timeout = 600
log_connections = 0
log_disconnections = 0
log_stats = 0
{own}
{more}
''')
        return [self.binary(), '-q', ini]


class Pooler(Pgbouncer):
    name = 'pooler'
    own = 'worker_threads = {workers}'

    def binary(self):
        path = self.rig.tools['pooler']
        if not path or not os.access(path, os.X_OK):
            raise Missing(f'no pooler at "{path}" (POOLER_BIN)')
        return path


class Haproxy(Front):
    name = 'haproxy'

    def prepare(self, pool=None, mode=None, workers=1):
        cfg = self.rig.sheet(self.tag + '.cfg', f'''global
    maxconn 8000
    nbthread {workers}
defaults
    mode tcp
    timeout connect 10s
    timeout client 1h
    timeout server 1h
listen bench
    bind 127.0.0.1:{self.port}
    server postgres 127.0.0.1:{self.rig.port}
''')
        return [need('haproxy', 'haproxy'), '-db', '-q', '-f', cfg]


FRONTS = {c.name: c for c in (Pooler, Pgbouncer, Haproxy)}

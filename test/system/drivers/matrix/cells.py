"""What the Python applications of the driver matrix share.

A cell is a function that does one thing on a connection of its own and
raises when what comes back is wrong. One line on stdout tells how it went.
"""
import os
import sys
import threading

HOST = os.environ["APP_HOST"]
PORT = int(os.environ["APP_PORT"])
N = int(os.environ["APP_WORKER"])
TABLE = "m_%d" % N
CHANNEL = "ch_%d" % N
ROUNDS = 20
# PGOPTIONS, which the drivers on libpq read by themselves, says so.
LOCK_TIMEOUT = "1000%dms" % N
DSN = "host=%s port=%d dbname=app user=alice" % (HOST, PORT)


def same(got, expected):
    if got != expected:
        raise AssertionError("%r, not %r" % (got, expected))


def say(name, outcome):
    print("cell", name, outcome, flush=True)


def failed(e):
    text = " ".join(str(e).split())
    return "%s: %s" % (type(e).__name__, text)


def missing(package):
    print("missing", package)
    sys.exit(77)


def run(connect, cells):
    """Each cell on a new connection; those that are None do not exist."""
    for name, cell in cells.items():
        if cell is None:
            say(name, "-")
            continue
        try:
            conn = connect()
            try:
                cell(conn)
            finally:
                conn.close()
            say(name, "ok")
        except Exception as e:
            say(name, failed(e))
    print("done", flush=True)


class Alarm:
    """Calls cancel() until the statement inside has ended: a request that
    comes before the statement is there cancels nothing."""

    def __init__(self, cancel):
        self.cancel, self.over = cancel, threading.Event()
        self.thread = threading.Thread(target=self.work)

    def work(self):
        while not self.over.wait(0.2):
            self.cancel()

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *exc):
        self.over.set()
        self.thread.join()

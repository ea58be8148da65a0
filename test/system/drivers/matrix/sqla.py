"""SQLAlchemy on psycopg 2: a migration under an advisory lock, which all
processes want to make at once, and then an application."""
import cells
from cells import N, ROUNDS, same

try:
    import sqlalchemy as sa
    from sqlalchemy import orm
    import psycopg2  # noqa: F401
except ImportError:
    cells.missing("python3-sqlalchemy")

engine = sa.create_engine(
    "postgresql+psycopg2://alice@%s:%d/app" % (cells.HOST, cells.PORT),
    pool_size=1, future=True)
Base = orm.declarative_base()


class Item(Base):
    __tablename__ = "sqla_items"
    id = sa.Column(sa.Integer, primary_key=True)
    worker = sa.Column(sa.Integer, nullable=False)
    name = sa.Column(sa.Text)


def migrate(conn):
    """What migration tools do: one of all has it done, the others wait."""
    conn.execute(sa.text("SELECT pg_advisory_lock(4711)"))
    conn.commit()
    conn.execute(sa.text("CREATE TABLE IF NOT EXISTS sqla_version (v int)"))
    conn.commit()
    if conn.scalar(sa.text("SELECT count(*) FROM sqla_version")) == 0:
        Base.metadata.drop_all(conn)
        Base.metadata.create_all(conn)
        conn.execute(sa.text("ALTER TABLE sqla_items ADD extra int"))
        conn.execute(sa.text("INSERT INTO sqla_version VALUES (1)"))
    conn.commit()
    same(conn.scalar(sa.text("SELECT count(*) FROM sqla_version")), 1)
    same(conn.scalar(sa.text("SELECT pg_advisory_unlock(4711)")), True)
    conn.commit()


def batch(conn):
    with orm.Session(conn) as s:
        s.execute(sa.delete(Item).where(Item.worker == N))
        s.add_all([Item(worker=N, name="i%d" % i) for i in range(200)])
        s.commit()
        same(s.query(Item).filter_by(worker=N).count(), 200)


def cursor(conn):
    got = conn.execution_options(stream_results=True, max_row_buffer=50)
    same(len(list(got.execute(sa.text("SELECT generate_series(1, 500)")))),
         500)


def settings(conn):
    conn.execute(sa.text("SET application_name = 'w%d'" % N))
    conn.commit()
    for _ in range(ROUNDS):
        same(conn.scalar(sa.text("SHOW application_name")), "w%d" % N)
        conn.commit()


def transaction(conn):
    with orm.Session(conn) as s:
        before = s.query(Item).filter_by(worker=N).count()
        for i in range(ROUNDS):
            item = Item(worker=N, name="t%d" % i)
            s.add(item)
            s.commit()
            item.name = "changed"
            s.flush()
            s.add(Item(id=item.id, worker=N))
            try:
                s.flush()
                raise AssertionError("no error")
            except (sa.exc.IntegrityError, orm.exc.FlushError):
                s.rollback()
            same(item.name, "t%d" % i)
        same(s.query(Item).filter_by(worker=N).count(), before + ROUNDS)


cells.run(engine.connect, {
    "prepared": None, "lock": migrate, "pipeline": batch, "cursor": cursor,
    "set": settings, "txn": transaction, "listen": None, "copy": None,
    "cancel": None})

"""Django on psycopg 2: its own migrations, which one process at a time makes
under an advisory lock, and then an application."""
import sys

import cells
from cells import N, ROUNDS, same

try:
    import django
    from django.conf import settings
    import psycopg2  # noqa: F401
except ImportError:
    cells.missing("python3-django python3-psycopg2")

settings.configure(
    DATABASES={"default": {
        "ENGINE": "django.db.backends.postgresql", "NAME": "app",
        "USER": "alice", "HOST": cells.HOST, "PORT": cells.PORT}},
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"],
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField", USE_TZ=True,
    TIME_ZONE="UTC")
django.setup()

from django.contrib.auth.models import Group, User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import IntegrityError, connection, transaction  # noqa: E402


def scalar(text, *args):
    with connection.cursor() as c:
        c.execute(text, args)
        return c.fetchone()[0]


def migrate(_):
    """Its own twenty migrations, with what they do to tables and data."""
    scalar("SELECT 1 FROM (SELECT pg_advisory_lock(4713)) l")
    call_command("migrate", verbosity=0)
    same(scalar("SELECT count(*) FROM django_migrations") > 10, True)
    same(scalar("SELECT pg_advisory_unlock(4713)"), True)


def batch(_):
    User.objects.filter(first_name="w%d" % N).delete()
    User.objects.bulk_create(
        [User(username="u%d_%d" % (N, i), first_name="w%d" % N)
         for i in range(200)])
    same(User.objects.filter(first_name="w%d" % N).count(), 200)


def cursor(_):
    """Outside a transaction it declares its cursors WITH HOLD."""
    mine = User.objects.filter(first_name="w%d" % N)
    same(len([u.pk for u in mine.iterator(chunk_size=50)]), 200)
    with transaction.atomic():
        same(len([u.pk for u in mine.iterator(chunk_size=50)]), 200)
    same(scalar("SELECT count(*) FROM pg_cursors"), 0)


def settings_stay(_):
    with connection.cursor() as c:
        c.execute("SET application_name = 'w%d'" % N)
    for _ in range(ROUNDS):
        same(scalar("SHOW application_name"), "w%d" % N)
        same(scalar("SHOW TimeZone"), "UTC")
        same(scalar("SHOW lock_timeout"), cells.LOCK_TIMEOUT)


def transactions(_):
    Group.objects.filter(name__startswith="g%d_" % N).delete()
    for i in range(ROUNDS):
        with transaction.atomic():
            group = Group.objects.create(name="g%d_%d" % (N, i))
            try:
                with transaction.atomic():
                    Group.objects.create(name=group.name)
                raise AssertionError("no error")
            except IntegrityError:
                pass
            user = User.objects.select_for_update().get(
                username="u%d_%d" % (N, i))
            user.groups.add(group)
        try:
            with transaction.atomic():
                group.delete()
                raise ValueError
        except ValueError:
            pass
        same(User.objects.filter(groups__name="g%d_%d" % (N, i)).count(), 1)
    same(Group.objects.filter(name__startswith="g%d_" % N).count(), ROUNDS)


class Connection:
    """Django connects by itself, at the first query."""
    def close(self):
        connection.close()


cells.run(Connection, {
    "lock": migrate, "pipeline": batch, "cursor": cursor,
    "set": settings_stay, "txn": transactions, "prepared": None,
    "listen": None, "copy": None, "cancel": None})
sys.stdout.flush()

"""Makes a service's role and schema and applies its migrations: plain SQL, forward only, as often as one likes.

Every service has the runtime's tables and its own in one schema that no other service's role can use. The
schema and its tables belong to the administrator in `database_url`; the role may read and write rows, and nothing else.
A service may have a second role, its reader, that sees its rows and can change nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import psycopg
import yoyo
from psycopg import sql

RUNTIME = Path(__file__).parent / "migrations"
SETTINGS = {
    "lock_timeout": "10s",
    "statement_timeout": "60s",
    "idle_in_transaction_session_timeout": "60s",
    # A client whose machine or network vanished is missed in 20 seconds, and with it go the locks that it held.
    "tcp_keepalives_idle": "10",  # seconds, as the next one
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "2",
    "tcp_user_timeout": "20000",  # milliseconds
    "client_connection_check_interval": "5s",
    # Statements here are short: compiling one, where the planner thinks it dear, costs more than it can save.
    "jit": "off",
}
"""Of the role's sessions in this database."""
BUSY = (psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation, psycopg.errors.InternalError)
"""What a role answers that is being created or changed from another database at the same time."""
TRIES = 20


class MigrationFailed(Exception):
    """A migration could not be applied; the message names it and says what the database answered."""


@dataclass(frozen=True, slots=True)
class Migrated:
    """What was done: the role, and the migrations that were applied now."""

    role: str
    applied: tuple[str, ...]


def role_of(service: str) -> str:
    """The role that a service connects as."""
    return f"fleet_{service}"


def reader_of(service: str) -> str:
    """The role that only looks at a service's rows."""
    return f"fleet_{service}_reader"


def service_url(database_url: str, service: str, password: str) -> str:
    """The administrator's URL with the service's role in the administrator's place."""
    return _url_of(database_url, role_of(service), password)


def reader_url(database_url: str, service: str, password: str) -> str:
    """The administrator's URL with the role of the service's reader in the administrator's place."""
    return _url_of(database_url, reader_of(service), password)


def _url_of(database_url: str, role: str, password: str) -> str:
    parts = urlsplit(database_url)
    place = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{role}:{quote(password, safe='')}@{place}"))


def migrate(
    database_url: str, service: str, folders: Sequence[Path], password: str, reader_password: str | None = None
) -> Migrated:
    """Apply the runtime's migrations, then those in `folders`, in the schema named like the service.

    `reader_password` makes the service's reader, or sets its password.
    Blocks. Safe when several run at once: they wait for each other. Raises MigrationFailed; nothing of a failed
    migration stays. Raises psycopg.Error where the database does not answer or the user may not do it.
    """
    with psycopg.connect(database_url, autocommit=True, application_name="fleet migrate") as connection:
        connection.execute("select pg_advisory_lock(hashtextextended('fleet migrate', 0))")
        _ensure_role(connection, role_of(service), password)
        _ensure_schema(connection, service)
        applied = _apply(database_url, service, (RUNTIME, *folders))
        _close_bookkeeping(connection, service)
        _close_functions(connection, service)
        if reader_password is not None:
            _ensure_role(connection, reader_of(service), reader_password)
            _ensure_reader(connection, service)
        return Migrated(role_of(service), applied)


def _ensure_role(connection: psycopg.Connection, role: str, password: str) -> None:
    """Roles belong to the whole server: another database's migration may be at it right now."""
    secret = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
    for attempt in range(TRIES):
        known = connection.execute("select 1 from pg_roles where rolname = %s", (role,)).fetchone()
        statement = "alter role {} login password {}" if known else "create role {} login password {}"
        try:
            connection.execute(sql.SQL(statement).format(sql.Identifier(role), sql.Literal(secret)))
            return
        except BUSY:
            if attempt == TRIES - 1:
                raise


def _ensure_schema(connection: psycopg.Connection, service: str) -> None:
    """Rights come before the tables, so that a migration may take some of them back (an append-only ledger)."""
    statements = [
        "create schema if not exists {schema}",
        "grant connect on database {database} to {role}",
        "grant usage on schema {schema} to {role}",
        "alter default privileges in schema {schema} grant select, insert, update, delete on tables to {role}",
        "alter default privileges in schema {schema} grant usage, select on sequences to {role}",
        "alter role {role} in database {database} set search_path = {schema}",
        *(f"alter role {{role}} in database {{database}} set {name} = '{value}'" for name, value in SETTINGS.items()),
    ]
    _execute(connection, service, role_of(service), statements)


def _ensure_reader(connection: psycopg.Connection, service: str) -> None:
    """Rights on what there is, and on the tables that migrations and the partitions' functions will make."""
    statements = [
        "grant connect on database {database} to {role}",
        "grant usage on schema {schema} to {role}",
        "grant select on all tables in schema {schema} to {role}",
        "alter default privileges in schema {schema} grant select on tables to {role}",
        "alter role {role} in database {database} set search_path = {schema}",
        "alter role {role} in database {database} set default_transaction_read_only = on",
        *(f"alter role {{role}} in database {{database}} set {name} = '{value}'" for name, value in SETTINGS.items()),
    ]
    _execute(connection, service, reader_of(service), statements)


def _close_functions(connection: psycopg.Connection, service: str) -> None:
    """Functions that run with their owner's rights (they drop partitions) are the service's alone."""
    statements = [
        "revoke execute on all functions in schema {schema} from public",
        "grant execute on all functions in schema {schema} to {role}",
    ]
    _execute(connection, service, role_of(service), statements)


def _execute(connection: psycopg.Connection, service: str, role: str, statements: Sequence[str]) -> None:
    names = {"schema": service, "role": role, "database": connection.info.dbname}
    identifiers = {name: sql.Identifier(value) for name, value in names.items()}
    for statement in statements:
        connection.execute(sql.SQL(statement).format(**identifiers))


def _apply(database_url: str, service: str, folders: Sequence[Path]) -> tuple[str, ...]:
    migrations = [m for folder in folders for m in sorted(yoyo.read_migrations(str(folder)), key=lambda m: str(m.id))]
    _refuse_doubles([m.id for m in migrations])
    with yoyo.get_backend(_for_yoyo(database_url, service)) as backend:
        backend.break_lock()  # we hold the advisory lock: whoever left it there is gone
        with backend.lock():
            known = set(backend.get_applied_migration_hashes())
            fresh = [m for m in migrations if m.hash not in known]
            for migration in fresh:
                _apply_one(backend, migration)
            return tuple(m.id for m in fresh)


def _apply_one(backend: yoyo.backends.DatabaseBackend, migration: yoyo.migrations.Migration) -> None:
    try:
        backend.apply_one(migration)
    except (psycopg.Error, yoyo.exceptions.BadMigration) as error:
        raise MigrationFailed(f"{migration.path}: {error}") from error


def _refuse_doubles(ids: Sequence[str]) -> None:
    """The file's name is what is remembered, also across folders."""
    doubles = sorted({id for id in ids if ids.count(id) > 1})
    if doubles:
        raise MigrationFailed(f"two migrations have the same name: {', '.join(doubles)}; rename the newer one")


def _close_bookkeeping(connection: psycopg.Connection, service: str) -> None:
    """The role may see which migrations were applied, but not change that."""
    names = {"schema": sql.Identifier(service), "role": sql.Identifier(role_of(service))}
    for table in ("_yoyo_migration", "_yoyo_log", "_yoyo_version", "yoyo_lock"):
        query = "revoke insert, update, delete on {schema}.{table} from {role}"
        connection.execute(sql.SQL(query).format(table=sql.Identifier(table), **names))


def _for_yoyo(database_url: str, schema: str) -> str:
    parts = urlsplit(database_url)
    query = urlencode([*parse_qsl(parts.query), ("schema", schema)])
    return urlunsplit(parts._replace(scheme="postgresql+psycopg", query=query))

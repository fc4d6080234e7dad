"""What the role of bot and workers may do: read and write rows, but change neither the ledger, nor a job's history, nor a table.

Migrations run as the database's owner. `grant` then gives the other role this and no more, so that whoever breaks into bot or worker
can't rewrite what was paid. Where there is only one role, the ledger's trigger still refuses; but an owner can drop a trigger.
"""

from contextlib import closing

from peewee import ProgrammingError
from psycopg2 import sql

from neurocards.db import db
from neurocards.errors import ConfigurationMistake

# Serial numbers need no grant: they belong to identity columns.
NEEDED = {
    "users": ("SELECT", "INSERT", "UPDATE"),
    "drafts": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "inbox": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "photos": ("SELECT", "INSERT", "UPDATE"),
    "orders": ("SELECT", "INSERT", "UPDATE"),
    "jobs": ("SELECT", "INSERT", "UPDATE"),
    "job_events": ("SELECT", "INSERT"),
    "provider_attempts": ("SELECT", "INSERT", "UPDATE"),
    "ledger_entries": ("SELECT", "INSERT"),
    "operator_actions": ("SELECT", "INSERT"),
    "broadcasts": ("SELECT", "INSERT", "UPDATE"),
    "outbox": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "accounts": ("SELECT", "INSERT", "UPDATE"),
    "api_keys": ("SELECT", "INSERT", "UPDATE"),
    "pauses": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "processes": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "metric_samples": ("SELECT", "INSERT", "UPDATE"),
}

_MISSING = """
    SELECT privilege || ' on ' || name FROM unnest(%s, %s) AS needed (name, privilege)
    WHERE NOT has_table_privilege(name, privilege)"""

# Statements for the owner of the database; what a server older than 15 lets everybody do, only its superuser can forbid.
_GRANTS = (
    "REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {role}, PUBLIC",
    "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
    "REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC",
    "GRANT CONNECT ON DATABASE {database} TO {role}",
    "GRANT USAGE ON SCHEMA public TO {role}",
)

_FORBIDDEN = """
    SELECT act FROM (VALUES
        ('change what was paid', has_table_privilege(%(role)s, 'ledger_entries', 'UPDATE, DELETE, TRUNCATE, TRIGGER')),
        ('change tables', EXISTS (SELECT FROM pg_class
            WHERE oid = 'ledger_entries'::regclass AND pg_has_role(%(role)s, relowner, 'MEMBER'))),
        ('create tables', has_schema_privilege(%(role)s, 'public', 'CREATE')
            OR has_database_privilege(%(role)s, current_database(), 'CREATE, TEMPORARY')),
        ('create roles', (SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = %(role)s))
    ) AS known (act, possible) WHERE possible"""


class NotGranted(ProgrammingError):
    """This role may not do what bot and workers do; the text is one line that names what, and what to do."""


def check() -> None:
    """Raises NotGranted unless this role may do all that is needed, ProgrammingError when there are no tables."""
    pairs = [(name, privilege) for name, privileges in NEEDED.items() for privilege in privileges]
    names, privileges = zip(*pairs, strict=True)
    with db, closing(db.execute_sql(_MISSING, (list(names), list(privileges)))) as found:
        missing = [row[0] for row in found]
    if missing:
        role = db.connect_params.get("user") or "this role"
        raise NotGranted(f"{role} lacks {', '.join(missing)}: migrate as the database's owner with APP_ROLE={role}")


def grant(role: str) -> None:
    """Gives `role` what is needed and takes everything else away, within the caller's transaction.

    Raises ConfigurationMistake, and nothing is changed, when there is no such role or it could do more all the same.
    """
    if not _rows("SELECT 1 FROM pg_roles WHERE rolname = %s", role):
        raise ConfigurationMistake(
            f"there is no role {role}: create it first (CREATE ROLE {role} LOGIN PASSWORD '...')"
        )
    names = {"role": sql.Identifier(role), "database": sql.Identifier(db.database)}
    for statement in _GRANTS:
        db.execute_sql(sql.SQL(statement).format(**names))
    for table, privileges in NEEDED.items():
        wanted = sql.SQL(", ").join(map(sql.SQL, privileges))
        db.execute_sql(sql.SQL("GRANT {} ON {} TO {}").format(wanted, sql.Identifier(table), names["role"]))
    if can := _rows(_FORBIDDEN, {"role": role}):
        raise ConfigurationMistake(
            f"APP_ROLE={role} could still {' and '.join(can)}: it must be neither owner nor superuser"
        )


def _rows(query: str, values: object) -> list[str]:
    with closing(db.execute_sql(query, values if isinstance(values, dict) else (values,))) as found:
        return [row[0] for row in found]

"""What the product doesn't keep but a measurement needs: every claim, and every time an update was noted as handled.

Triggers write it down in a schema of its own, to the microsecond and without polling; the product knows nothing of it.
"""

from contextlib import closing
from typing import Any

import psycopg2

from neurocards.reconciliation import Entry

INSTALL = """
    CREATE SCHEMA rehearsal;
    CREATE TABLE rehearsal.claims (job_id bigint, process text, at timestamptz DEFAULT clock_timestamp());
    CREATE TABLE rehearsal.handled (update_id bigint);
    CREATE FUNCTION rehearsal.note_claim() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
        $$ BEGIN INSERT INTO rehearsal.claims VALUES (NEW.id, NEW.claimed_by); RETURN NULL; END $$;
    CREATE FUNCTION rehearsal.note_handled() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
        $$ BEGIN INSERT INTO rehearsal.handled VALUES (NEW.update_id); RETURN NULL; END $$;
    CREATE TRIGGER rehearsal_claims AFTER UPDATE OF claim_token ON jobs FOR EACH ROW
        WHEN (NEW.claim_token IS NOT NULL) EXECUTE FUNCTION rehearsal.note_claim();
    CREATE TRIGGER rehearsal_handled AFTER UPDATE OF handled_at ON inbox FOR EACH ROW
        WHEN (NEW.handled_at IS NOT NULL) EXECUTE FUNCTION rehearsal.note_handled();
"""
HANDLED = "SELECT update_id FROM inbox WHERE handled_at IS NOT NULL AND error IS NULL"
HANDLED_TWICE = "SELECT update_id FROM rehearsal.handled GROUP BY update_id HAVING count(*) > 1"


def install(database: str) -> None:
    """Sets the triggers, once in a database's life."""
    with closing(psycopg2.connect(database)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(INSTALL)


def rows(database: str, sql: str, *values: object) -> list[tuple[Any, ...]]:
    """Rows of one query, `%s` for each value."""
    with closing(psycopg2.connect(database)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(sql, values)
        return list(cursor.fetchall())


def updates_handed_out(journal: list[Entry]) -> set[int]:
    """Ids of all updates that Telegram ever gave to the bot."""
    polls = (entry["response"] for entry in journal if entry["endpoint"] == "getUpdates")
    return {number for answer in polls for number in answer.get("update_ids", ())}


def mishandled(database: str, update_ids: set[int]) -> dict[str, tuple[int, ...]]:
    """Updates that had no effect, and those whose effect was noted more than once; names without ids are left out."""
    lost = update_ids - {number for (number,) in rows(database, HANDLED)}
    twice = update_ids & {number for (number,) in rows(database, HANDLED_TWICE)}
    found = {"lost_updates": tuple(sorted(lost)), "updates_handled_twice": tuple(sorted(twice))}
    return {name: ids for name, ids in found.items() if ids}

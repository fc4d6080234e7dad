"""Databases for a while, on a server that somebody else started or gave."""

import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from urllib.parse import urlsplit

import psycopg2
import stamina


@contextmanager
def empty_database(server: str) -> Iterator[str]:
    """Makes a database on the server behind the address `server`, yields its address, and drops it with whoever is connected."""
    name = f"neurocards_test_{uuid.uuid4().hex[:12]}"
    outside_transaction(server, f"CREATE DATABASE {name}")
    try:
        yield urlsplit(server)._replace(path=f"/{name}").geturl()
    finally:
        _drop(server, name)


# Autovacuum may be at it just now, and only a superuser may send that away; it is done in a moment.
@stamina.retry(on=psycopg2.errors.InsufficientPrivilege, attempts=20, timeout=30.0, wait_initial=0.2)
def _drop(server: str, name: str) -> None:
    outside_transaction(server, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def outside_transaction(url: str, statement: str) -> None:
    """Runs one statement that PostgreSQL doesn't allow in a transaction."""
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)

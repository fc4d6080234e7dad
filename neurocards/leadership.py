"""Who leads and who polls: PostgreSQL advisory locks, each on a connection of its own.

When a holder dies the server frees its lock with the connection, and another process takes it within a second or two.
"""

from peewee import PeeweeException, PostgresqlDatabase

from neurocards.db import db

# The locks' names: any two constants that nothing else in the database uses.
LEADER = 7_236_811
POLLER = 7_236_812
MIGRATION = 7_236_813


class Lock:
    """An advisory lock that lives as long as its connection. `held` takes it when it is free; cheap to ask again and again."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._connection = PostgresqlDatabase(db.database, thread_safe=False, **db.connect_params)

    def held(self) -> bool:
        """Whether this process has the lock now. Raises PeeweeException while the database is away, and then has lost it."""
        try:
            return self._try()
        except PeeweeException:
            self.release()
            raise

    def _try(self) -> bool:
        fresh = self._connection.connect(reuse_if_open=True)
        query = "SELECT pg_try_advisory_lock(%s)" if fresh else "SELECT true WHERE %s > 0"
        if self._connection.execute_sql(query, (self._number,)).fetchone()[0]:
            self._connection.rollback()
            return True
        self.release()
        return False

    def release(self) -> None:
        """Gives the lock up with its connection."""
        self._connection.close()

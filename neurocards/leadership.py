"""Who leads and who handles updates: PostgreSQL advisory locks, each on a connection of its own.

When a holder dies the server frees its lock with the connection, and another process takes it within a second or two. A holder
that hangs keeps its connection; PostgreSQL 14 and newer end it when it has been idle for too long.
"""

from peewee import PeeweeException, PostgresqlDatabase

from neurocards.db import db

# The locks' names: any two constants that nothing else in the database uses.
LEADER = 7_236_811
HANDLER = 7_236_812
MIGRATION = 7_236_813

# Longer than any long poll: whoever has not asked for its lock for so long hangs (real seconds).
SILENCE = 60.0


# Does nothing on a server that does not know the setting.
_END_WHEN_IDLE = "SELECT set_config(name, %s, false) FROM pg_settings WHERE name = 'idle_session_timeout'"


class Lock:
    """An advisory lock that lives as long as its connection. `held` takes it when it is free; cheap to ask again and again."""

    def __init__(self, number: int, silence: float = SILENCE) -> None:
        self._number = number
        self._silence = f"{silence * 1000:.0f}ms"
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
        if fresh:
            self._connection.execute_sql(_END_WHEN_IDLE, (self._silence,))
        query = "SELECT pg_try_advisory_lock(%s)" if fresh else "SELECT true WHERE %s > 0"
        if self._connection.execute_sql(query, (self._number,)).fetchone()[0]:
            return True
        self.release()
        return False

    def release(self) -> None:
        """Gives the lock up with its connection."""
        self._connection.close()

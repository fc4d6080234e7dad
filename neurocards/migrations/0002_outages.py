"""What a provider's outage needs: pauses, jobs that wait for its end, and a limit of queries for each key."""


def up(migrator, db):
    """Adds to the first version; running jobs and keys are not touched."""
    db.execute_sql("ALTER TABLE jobs ADD COLUMN held_at timestamptz")
    db.execute_sql(
        "ALTER TABLE api_keys ADD COLUMN credit_at timestamptz, ADD COLUMN polls timestamptz[] NOT NULL DEFAULT '{}'"
    )
    db.execute_sql("CREATE INDEX provider_attempts_by_time ON provider_attempts (started_at)")
    db.execute_sql("CREATE TABLE pauses (provider text PRIMARY KEY, reason text NOT NULL, until timestamptz NOT NULL)")

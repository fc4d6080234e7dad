"""A worker that beats, and takes its leave when told to stop."""

import os
import signal
import threading

import psycopg2

stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
connection = psycopg2.connect(os.environ["DATABASE_URL"])
connection.autocommit = True
name = os.environ["WORKER_NAME"]
with connection.cursor() as cursor:
    while not stop.is_set():
        cursor.execute(
            "INSERT INTO processes (id, instance) VALUES (%s, %s) ON CONFLICT (id) DO UPDATE SET beat_at = now()",
            (name, name),
        )
        stop.wait(1)
    cursor.execute("DELETE FROM processes WHERE id = %s", (name,))

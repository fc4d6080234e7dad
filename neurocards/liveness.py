"""Worker processes beat in PostgreSQL; one that falls silent is taken for dead. All functions run inside the caller's transaction."""

from peewee import ModelSelect, fn

from neurocards import clock
from neurocards.models import NOW, Process

# Real seconds: machines don't run faster in a rehearsal.
BEAT_EVERY = 5.0
SILENT_AFTER = 15.0


def beat(process: str, instance: str) -> None:
    """Says that the process is alive."""
    Process.insert(id=process, instance=instance).on_conflict(
        conflict_target=[Process.id], update={"beat_at": NOW}
    ).execute()


def leave(process: str) -> None:
    """The process stops in order."""
    Process.delete().where(Process.id == process).execute()


def alive() -> ModelSelect:
    """Ids of the processes that have beaten lately, as a subquery."""
    return Process.select(Process.id).where(Process.beat_at > clock.in_real(-SILENT_AFTER))


def instances() -> int:
    """Worker instances that are running: processes of one `dramatiq` command count once."""
    return (
        Process.select(fn.COUNT(Process.instance.distinct()))
        .where(Process.beat_at > clock.in_real(-SILENT_AFTER))
        .scalar()
    )


def processes() -> int:
    """Worker processes that are running."""
    return int(alive().count())


def prune() -> None:
    """Forgets processes that have been silent for an hour."""
    Process.delete().where(Process.beat_at < clock.in_real(-3600)).execute()

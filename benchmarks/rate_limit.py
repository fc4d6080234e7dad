"""Whether the key pool ever provokes a 429: eight processes ask it for three times what KIE admits, in real time.

Their clocks are wrong by up to five seconds, each in its own way, and meanwhile Valkey is killed five times and PostgreSQL twice. What
counts is what the stand-in for KIE saw by its own clock. The clocks need libfaketime (Debian: `apt-get install faketime`).

    python -m benchmarks.rate_limit [--seconds 120]
"""

import argparse
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

from benchmarks.crowd import many_accounts, percentiles, report
from neurocards.clients.kie import Kie
from neurocards.db import Unreachable, connect, db, insistently
from neurocards.errors import ProviderError
from neurocards.keys import CREATES_A_WINDOW, WINDOW, KeyPool, Lease, Wait, fingerprint
from sandbox.client import SandboxClient
from sandbox.kie.render import sample_photo
from sandbox.local import ROOT
from sandbox.server import Sandbox
from sandbox.services import Services

KEYS = "one:key-1,one:key-2,two:key-3"
PAIRS = [(account, key) for account, key in (pair.split(":") for pair in KEYS.split(","))]
MODEL, PROMPT = "bytedance/seedance-1.5-pro", "A cup of coffee turns slowly in the morning light."

PROCESSES = 8
SKEW = 5.0
ALLOWED_A_SECOND = len(dict(PAIRS)) * CREATES_A_WINDOW / WINDOW
OFFERED_A_SECOND = 3 * ALLOWED_A_SECOND
# Seconds between two attempts of one process, on average.
EVERY = PROCESSES / OFFERED_A_SECOND

DISTURBANCES = ("valkey", "valkey", "postgres", "valkey", "postgres", "valkey", "valkey")
# Long enough for decisions to fall into it; PostgreSQL comes back as fast as it can.
VALKEY_AWAY = 1.0
STOP_SECONDS = 60.0


class Turn(NamedTuple):
    """One attempt of a worker: how long after its start, the seconds that the pool took to decide, what came of it."""

    at: float
    seconds: float
    outcome: str


class Outage(NamedTuple):
    """When a server was away, in seconds after the start."""

    server: str
    began: float
    ended: float


# A worker: one process among eight -------------------------------------------------------------------------------------


def work(database: str, sandbox: str, picture: str, seconds: str) -> None:
    """Tries at its own pace, whatever the pool says. Prints a line when ready, its time of day at the start, its turns at the end."""
    connect(database, pool_size=1)
    pool, kie = KeyPool(PAIRS), Kie(sandbox, sandbox)
    insistently(pool.enrol)
    # The pipe is the starting signal, since no two of these processes agree on the time.
    print("ready", flush=True)
    sys.stdin.readline()
    print(time.time(), flush=True)
    began = time.monotonic()
    turns = []
    for turn in range(round(float(seconds) / EVERY)):
        # A turn's time doesn't depend on the last one's: who is late catches up, and the load offered stays what it is.
        _sleep_until(began + (turn + random.random()) * EVERY)  # noqa: S311
        at = time.monotonic()
        turns.append(Turn(at - began, *_turn(pool, kie, picture)))
    print(json.dumps(turns))


def _turn(pool: KeyPool, kie: Kie, picture: str) -> tuple[float, str]:
    """Asks for leave as `pipeline.submit` does and uses it; a wait is not waited for, the order is given up."""
    asked = time.monotonic()
    try:
        with db:
            leave = pool.acquire()
    except Unreachable:
        # Without the database there is no leave: nothing is sent, which costs throughput and never a 429.
        return time.monotonic() - asked, "unreachable"
    decided = time.monotonic() - asked
    return decided, "wait" if isinstance(leave, Wait) else _create(kie, leave, picture)


def _create(kie: Kie, lease: Lease, picture: str) -> str:
    try:
        kie.create_task(lease.key, MODEL, picture, PROMPT, None)
    except ProviderError as error:
        return "429" if 429 in (error.http_status, error.body_code) else "failed"
    return "created"


def _sleep_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.monotonic()))


# The run ---------------------------------------------------------------------------------------------------------------


def main(seconds: float) -> None:
    """Starts servers, stand-in and workers, disturbs them for `seconds`, and prints the figures."""
    faketime = _faketime()
    if faketime is None:
        print("libfaketime is not installed (Debian: apt-get install faketime): all clocks are right", file=sys.stderr)
    with (
        Services(ROOT / "var", durable=False) as services,
        Sandbox() as sandbox,
        SandboxClient(sandbox.url) as client,
    ):
        _migrate(services.postgres.url)
        picture = _prepare(client)
        arguments = [services.postgres.url, sandbox.url, picture, str(seconds)]
        with _workers(arguments, faketime) as workers:
            skews = _go(workers)
            outages = _disturb(services, seconds)
            turns = [Turn(*turn) for worker in workers for turn in json.loads(_last_words(worker, seconds))]
        report(seconds=seconds, **_by_kie(client, seconds, outages), **_by_workers(turns, outages), skew=_range(skews))


def _faketime() -> Path | None:
    return next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)


def _migrate(database: str) -> None:
    command = [sys.executable, str(ROOT / "scripts" / "migrate_db.py")]
    environment = {**os.environ, "DATABASE_URL": database}
    subprocess.run(command, env=environment, check=True, timeout=60, stdout=subprocess.DEVNULL)


def _prepare(client: SandboxClient) -> str:
    """Keys in their accounts, tasks that never end (nothing is rendered), and a picture; returns its address."""
    many_accounts(client, KEYS)
    # Counted as it comes in; how long KIE then thinks changes nothing but how soon a worker has its hands free.
    client.kie("PUT", "settings", create_seconds=0.1)
    client.fault("kie", "createTask", "stuck", times=-1)
    return Kie(client.url, client.url).upload(PAIRS[0][1], sample_photo())


@contextmanager
def _workers(arguments: Sequence[str], faketime: Path | None) -> Iterator[list[subprocess.Popen[str]]]:
    """All processes, their clocks spread evenly; none is left at the end."""
    with ExitStack() as undo:
        workers = []
        for number in range(PROCESSES):
            # From 5 s slow to 5 s fast.
            skew = SKEW * (2 * number / (PROCESSES - 1) - 1)
            workers.append(undo.enter_context(_worker(arguments, _skewed(faketime, skew))))
            undo.callback(workers[-1].kill)
        yield workers


def _worker(arguments: Sequence[str], environment: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.rate_limit", "worker", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _skewed(faketime: Path | None, seconds: float) -> dict[str, str]:
    if faketime is None:
        return {}
    # All clocks of the process are moved, the monotonic one too: left alone, its `sleep` fails in libfaketime 0.9.10.
    return {"LD_PRELOAD": str(faketime), "FAKETIME": f"{seconds:+.2f}s"}


def _go(workers: Sequence[subprocess.Popen[str]]) -> list[float]:
    """Lets all begin together once all are ready; by how many seconds each one's clock is wrong."""
    for worker in workers:
        _line(worker)
    skews = []
    for worker in workers:
        _pipe(worker.stdin).write("go\n")
        _pipe(worker.stdin).flush()
        skews.append(float(_line(worker)) - time.time())
    return skews


def _line(worker: subprocess.Popen[str]) -> str:
    line = _pipe(worker.stdout).readline()
    if not line:
        raise SystemExit("a worker did not start")
    return line


def _pipe(pipe: IO[str] | None) -> IO[str]:
    if pipe is None:
        raise SystemExit("a worker has lost its pipe")
    return pipe


def _last_words(worker: subprocess.Popen[str], seconds: float) -> str:
    words = worker.communicate(timeout=seconds + STOP_SECONDS)[0]
    if worker.returncode != 0:
        raise SystemExit(f"a worker ended with status {worker.returncode}")
    return words


def _disturb(services: Services, seconds: float) -> list[Outage]:
    """Kills the servers in turn, evenly spread over the run that begins now, and starts each again."""
    began, outages = time.monotonic(), []
    for number, server in enumerate(DISTURBANCES, 1):
        _sleep_until(began + seconds * number / (len(DISTURBANCES) + 1))
        away = time.monotonic() - began
        if server == "postgres":
            services.postgres.restart(immediate=True)
        else:
            services.valkey.kill()
            time.sleep(VALKEY_AWAY)
            services.valkey.start()
        outages.append(Outage(server, away, time.monotonic() - began))
    return outages


# The figures -----------------------------------------------------------------------------------------------------------


def _by_kie(client: SandboxClient, seconds: float, outages: Iterable[Outage]) -> dict[str, object]:
    """What the provider saw. An account's most creates include what was refused, or the limit would hide an excess."""
    accounts = client.kie("GET", "accounts")["accounts"]
    seen = {name: accounts[name] for name in dict(PAIRS)}
    admitted = sum(account["creates"] for account in seen.values())
    away = sum(outage.ended - outage.began for outage in outages if outage.server == "postgres")
    spans = list(_times_for_21(client))
    return {
        "admitted": admitted,
        "refused_429": sum(account["refused_429"] for account in seen.values()),
        "max_creates_in_window": {name: account["max_attempts_in_window"] for name, account in seen.items()},
        "shortest_time_for_21_creates_s": round(min(spans), 3),
        # A run ends somewhere in a window and began with all of them empty, which flatters the share of a short one.
        "utilisation_between_creates": round(WINDOW * len(spans) / sum(spans), 3),
        "utilisation": round(admitted / (ALLOWED_A_SECOND * seconds), 3),
        "utilisation_without_postgres_outages": round(admitted / (ALLOWED_A_SECOND * (seconds - away)), 3),
        "postgres_away_s": round(away, 2),
    }


def _times_for_21(client: SandboxClient) -> Iterator[float]:
    """From each create to the 20th after it in its account, by KIE's clock: under 10 s it would be a 429."""
    accounts = {fingerprint(key): account for account, key in PAIRS}
    arrivals: dict[str, list[float]] = {account: [] for account in accounts.values()}
    for entry in client.journal(service="kie", endpoint="createTask"):
        arrivals[accounts[entry["caller"]]].append(_arrival(entry))
    for times in map(sorted, arrivals.values()):
        yield from (later - earlier for earlier, later in zip(times, times[CREATES_A_WINDOW:], strict=False))


def _arrival(entry: dict[str, Any]) -> float:
    # An entry is written with the answer and says how long the call took.
    return float(entry["at"]) - float(entry["ms"]) / 1000


def _by_workers(turns: Sequence[Turn], outages: Sequence[Outage]) -> dict[str, object]:
    """What the workers lived through. A decision's time is that of its whole transaction, with its wait for the accounts' rows."""
    decisions = [turn for turn in turns if turn.outcome != "unreachable"]
    redis = [outage for outage in outages if outage.server == "valkey"]
    return {
        "offered": len(turns),
        "database_was_away": len(turns) - len(decisions),
        "failed": sum(turn.outcome == "failed" for turn in turns),
        "acquire_ms": percentiles([turn.seconds for turn in decisions]),
        "redis_restarts": len(redis),
        "decisions_while_redis_was_away": sum(
            outage.began < turn.at < outage.ended for turn in decisions for outage in redis
        ),
        "postgres_restarts": len(outages) - len(redis),
    }


def _range(skews: Sequence[float]) -> list[float]:
    return [round(min(skews), 1), round(max(skews), 1)]


def _seconds() -> float:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rate_limit")
    parser.add_argument("--seconds", type=float, default=120.0, help="real time, 30 to 3600")
    seconds = float(parser.parse_args().seconds)
    if not 30 <= seconds <= 3600:
        parser.error("--seconds must be from 30 to 3600")
    return seconds


if __name__ == "__main__":
    if sys.argv[1:2] == ["worker"]:
        work(*sys.argv[2:6])
    else:
        main(_seconds())

"""Measures how soon all goes on: after worker deaths, a minute without PostgreSQL and a minute without Valkey, in real time.

python -m reliability.recovery [--kills 100] [--outage 60] [--seed 1] [--time-scale 1] [--workers 6]

Liveness, leases and HTTP patience are never scaled; the vendors are set to be quick where nobody is interrupted (a render takes five
seconds) and slow where somebody may be. The last line is one JSON object. Its times are reported as they are; the exit
status is 1 when an update was lost or handled twice, or a promise broken.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

from neurocards.reconciliation import read_journal
from reliability.chaos.system import System
from reliability.chaos.verdict import Figures, judge
from reliability.recovery.deaths import Deaths
from reliability.recovery.flow import Flow
from reliability.recovery.instruments import install, mishandled, updates_handed_out
from reliability.recovery.outages import PATIENCE, Outage, settle

# Videos under way while workers die: about two in the hands of each.
UNDER_WAY = 24
RENDER_SECONDS = 5.0


def slow_vendors(system: System, scale: float) -> None:
    """Vendors that take their time where a job is in somebody's hands (real seconds), and little where it only waits."""
    system.client.kie("PUT", "settings", render_seconds=RENDER_SECONDS * scale, create_seconds=3.0 * scale)
    system.client.call("PUT", "/sandbox/openai/settings", json={"latency_seconds": 4.0 * scale})
    system.client.fault("telegram", "sendVideo", "slow", times=-1, seconds=2.0)
    system.client.fault("kie", "recordInfo", "slow", times=-1, seconds=1.0)


def rehearse(system: System, given: argparse.Namespace) -> Figures:
    """All three, one after the other, in a system that is whole in between."""
    deaths, outage = Deaths(system, given.seed), Outage(system, given.seed)
    sys.stderr.write(f"{given.kills} deaths, then {given.outage:g} s without PostgreSQL and as long without Valkey\n")
    with Flow(system, UNDER_WAY) as flow:
        deaths.bring(given.kills)
    settle(system, PATIENCE)
    figures = {
        **deaths.figures(),
        "postgres_outage": {"seconds": given.outage, **outage.without_postgres(given.outage)},
        "redis_outage": {"seconds": given.outage, **outage.without_valkey(given.outage)},
    }
    return {**figures, "people": flow.people + outage.people}


def verdict(system: System, figures: Figures) -> Figures:
    """The figures with what the books say at the end."""
    judged = judge(system, figures.pop("people"))
    handed_out = updates_handed_out(read_journal(system.journal))
    wrong = {**judged["violations"], **mishandled(system.database, handed_out)}
    if never := figures.pop("never_resumed"):
        wrong["never_resumed"] = never
    kept = ("orders", "jobs", "delivered", "refunded", "cancelled", "lost", "double_charges", "double_refunds")
    seen = ("orphan_tasks", "duplicate_tasks", "duplicate_videos", "unsent_videos", "audit")
    return {
        **figures,
        **{name: judged[name] for name in (*kept, *seen)},
        "updates": len(handed_out),
        "violations": wrong,
    }


def main() -> int:
    """Reads the arguments, runs, prints; 1 when a promise was broken."""
    parser = argparse.ArgumentParser(
        prog="python -m reliability.recovery", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--kills", type=int, default=100, help="deaths of workers")
    parser.add_argument("--outage", type=float, default=60.0, help="seconds without a server")
    parser.add_argument("--seed", type=int, default=1, help="who dies when, and who writes when")
    parser.add_argument("--time-scale", type=float, default=1.0, help="divisor of the product's delays and deadlines")
    parser.add_argument("--workers", type=int, default=6, help="worker commands; one of their processes leads")
    given, began = parser.parse_args(), time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="neurocards-recovery-"))
    sys.stderr.write(f"logs and journal: {folder}\n")
    with System(folder, given.time_scale, given.workers) as system:
        install(system.database)
        slow_vendors(system, given.time_scale)
        figures = verdict(system, rehearse(system, given))
    about = {"time_scale": given.time_scale, "render_seconds": RENDER_SECONDS, "seed": given.seed}
    load = [round(figure, 1) for figure in os.getloadavg()]
    print(json.dumps({**figures, **about, "seconds": round(time.monotonic() - began), "load": load}, default=str))
    return 1 if figures["violations"] else 0


if __name__ == "__main__":
    sys.exit(main())

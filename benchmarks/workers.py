"""One, two and ten workers side by side: account limits lifted on both sides, renders of no time. Throughput and CPU an order.

python -m benchmarks.workers [--workers 1 2 10] [--jobs 300] [--vendors at-once slow]

`at-once`: the vendors answer at once, so that the processor is the limit. `slow`: GPT takes 3 s, upload and create half a second, as
in life, so that the workers' threads are. The orders are confirmed as fast as the bot takes them, and the stand-in for Telegram
takes any number of messages. CPU is counted until the last message about an order is sent. Writes benchmarks/results/workers.json.
"""

import argparse
import sys

from benchmarks.crowd import report
from benchmarks.load import figures, tables
from benchmarks.load.run import folder, play
from benchmarks.load.system import System

VENDORS = {
    "at-once": {"render": 0.0, "gpt": 0.0, "upload": 0.0, "create": 0.0},
    "slow": {"render": 0.0, "gpt": 3.0, "upload": 0.5, "create": 0.5},
}
# Slower than this is no throughput but a standstill (orders a second).
AT_LEAST = 0.5


def main() -> None:
    """One system for each number of workers and kind of vendors; prints them side by side."""
    options = _options()
    runs = {}
    for vendors in options.vendors:
        for workers in options.workers:
            name = f"{workers}, vendors {vendors}"
            print(f"workers: {name}", flush=True)
            with System(folder(), workers=workers, accounts=0, times=VENDORS[vendors], telegram_limit=False) as system:
                runs[name] = play(system, options.jobs, 0.0, options.jobs / AT_LEAST)
            figures.keep("workers", {name: runs[name]})
    summaries = {name: _summary(run) for name, run in runs.items()}
    tables.show_side_by_side("workers", summaries)
    report(**summaries)
    if wrong := "; ".join(filter(None, map(figures.wrong, runs.values()))):
        sys.exit(f"workers: {wrong}")


def _summary(run: figures.Figures) -> figures.Figures:
    """What has to be shown of a run."""
    cost, stages = run["cost"], run["latency_ms_by_stage"]
    return {
        "orders_per_second": run["throughput"]["orders_per_second"],
        "delivered": run["throughput"]["delivered"],
        "seconds_to_the_last_delivery_and_message": [
            run["throughput"][f"seconds_to_the_last_{what}"] for what in ("delivery", "message")
        ],
        "cpu_ms_an_order": cost["cpu_ms_an_order_in_all"],
        "of_these": cost["cpu_ms_an_order"],
        "cpu_ms_of_the_test": cost["cpu_ms_an_order_of_the_test"],
        "cores_busy_while_creating": cost["cores_busy_while_creating"],
        "cores_busy": cost["cores_busy"],
        "cores_busy_with_the_test": cost["cores_busy_with_the_test"],
        "p50_s_by_stage": {stage: round(found["p50"] / 1000, 2) for stage, found in stages.items()},
        "errors": {name: run["errors"][name] for name in ("failed", "errors", "kie_429", "broken_promises")},
        "load_before": run["load_average"],
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.workers")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 10], help="worker instances, one run each")
    parser.add_argument("--jobs", type=int, default=300, help="orders of each run")
    parser.add_argument("--vendors", nargs="+", choices=VENDORS, default=list(VENDORS))
    return parser.parse_args()


if __name__ == "__main__":
    main()

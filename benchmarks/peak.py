"""The peak: a thousand orders within two minutes, renders of five minutes in real time, KIE at its real limit of 20 creates in 10 s.

python -m benchmarks.peak [--accounts 1 3] [--orders 1000] [--within 120] [--render 300] [--workers 10] [--threads 4]

For each number of KIE accounts a system of its own. The ideal is orders ÷ allowed rate + one render; what comes on top is ours. The
stand-in's Telegram refuses more than 30 messages a second, as the real one does. Writes benchmarks/results/peak.json.
"""

import argparse
import sys

from benchmarks.crowd import report
from benchmarks.load import figures, tables
from benchmarks.load.run import folder, play
from benchmarks.load.system import System

# What KIE allows an account (creates a second).
ALLOWED = 2.0
GPT, UPLOAD, CREATE = 3.0, 0.5, 0.5
AIM = 1.05


def main() -> None:
    """Runs one peak for each number of accounts and prints them side by side."""
    options = _options()
    runs = {}
    for accounts in options.accounts:
        print(f"{options.orders} orders within {options.within:g} s, KIE accounts: {accounts}", flush=True)
        runs[accounts] = _peak(options, accounts)
        tables.show_latency("latency by stage", runs[accounts]["latency_ms_by_stage"])
        figures.keep("peak", {f"accounts_{accounts}": runs[accounts]})
    tables.show_side_by_side("the peak", {f"{n} account(s)": _summary(run) for n, run in runs.items()})
    report(**{f"accounts_{n}": _summary(run) for n, run in runs.items()})
    if wrong := "; ".join(filter(None, map(figures.wrong, runs.values()))):
        sys.exit(f"peak: {wrong}")


def _peak(options: argparse.Namespace, accounts: int) -> figures.Figures:
    times = {"render": options.render, "gpt": GPT, "upload": UPLOAD, "create": CREATE}
    ideal = options.orders / (ALLOWED * accounts) + options.render
    with System(folder(), workers=options.workers, threads=options.threads, accounts=accounts, times=times) as system:
        run = play(system, options.orders, options.within, patience=2 * ideal)
    took = run["throughput"]["seconds_to_the_last_delivery"]
    run["against_the_ideal"] = {"ideal_s": ideal, "took_s": took, "ratio": round(took / ideal, 3), "aim": AIM}
    return run


def _summary(run: figures.Figures) -> figures.Figures:
    """What has to be shown of a peak."""
    cost, errors = run["cost"], run["errors"]
    memory = cost["memory_mb"]
    return {
        **run["against_the_ideal"],
        "delivered": run["throughput"]["delivered"],
        "creates_per_second": run["throughput"]["creates"].get("per_second"),
        "workers": f"{run['workers']} of {run['threads_each']} threads",
        "bot_p50_p95_p99_ms": {
            answer: [found[name] for name in ("p50", "p95", "p99")] for answer, found in run["bot_latency_ms"].items()
        },
        "cpu_ms_an_order": cost["cpu_ms_an_order_in_all"],
        "cores_busy_while_creating": cost["cores_busy_while_creating"],
        "memory_mb_highest": sum(span[1] for name, span in memory.items() if name not in ("driver", "sandbox")),
        "failed": errors["failed"],
        "errors_in_logs": errors["errors"],
        "kie_429": errors["kie_429"],
        "broken_promises": errors["broken_promises"],
        "aborted": errors.get("aborted", ""),
        "load_before": run["load_average"],
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peak")
    parser.add_argument("--accounts", type=int, nargs="+", default=[1, 3], help="KIE accounts, one run each")
    parser.add_argument("--orders", type=int, default=1000)
    parser.add_argument("--within", type=float, default=120.0, help="seconds into which the confirms fall")
    parser.add_argument("--render", type=float, default=300.0, help="seconds of a render")
    parser.add_argument("--workers", type=int, default=10, help="worker instances")
    parser.add_argument("--threads", type=int, default=4, help="threads of each")
    return parser.parse_args()


if __name__ == "__main__":
    main()

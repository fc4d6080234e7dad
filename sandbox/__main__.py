"""`python -m sandbox`: run the sandbox until SIGTERM or SIGINT."""

import argparse
import signal
from pathlib import Path

from sandbox.server import Sandbox

_STOPPING = (signal.SIGTERM, signal.SIGINT)


def main() -> None:
    """Start the sandbox, print its address in one line, and stop it on the first signal."""
    options = _options()
    # Blocked before any thread starts and awaited here: a signal that the kernel hands to another thread would run
    # its handler only when this one wakes, which a plain wait on an event never does.
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)
    with Sandbox(options.port, options.time_scale, options.prepared_video, options.journal) as sandbox:
        print(f"sandbox: {sandbox.url}", flush=True)
        signal.sigwait(_STOPPING)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description="Local Telegram, KIE and OpenAI.")
    parser.add_argument("--port", type=int, default=9101, help="loopback port; 0 = any free one (default 9101)")
    parser.add_argument("--time-scale", type=float, default=1.0, help="divides every delay of the sandbox")
    parser.add_argument("--prepared-video", action="store_true", help="serve one prepared video (load tests)")
    parser.add_argument("--journal", type=Path, help="also append the journal to this file, one JSON line an entry")
    return parser.parse_args()


if __name__ == "__main__":
    main()

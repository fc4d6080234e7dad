"""Starts one worker instance: one process with four threads unless told otherwise (arguments go to the dramatiq command)."""

import sys

from dramatiq import cli

from neurocards.config import Settings, load_or_exit


def main() -> None:
    """Runs `dramatiq actors` in this process. Settings are read, and a bad one is named, before anything is forked."""
    load_or_exit(Settings)
    defaults = ["actors", "--processes", "1", "--threads", "4", "--worker-shutdown-timeout", "8000"]
    sys.exit(cli.main(cli.make_argument_parser().parse_args([*defaults, *sys.argv[1:]])))


if __name__ == "__main__":
    main()

"""How many connections to PostgreSQL an installation may need at once."""

import re
from pathlib import Path

# Superusers' reserve, an exporter, an operator's commands.
OTHERS = 3 + 3 + 4


def connections(workers: int, pool: int, bots: int) -> int:
    """The most there can be: a pool each, and one for the lead or for the poller's lock."""
    start_of_bot = Path(__file__).parents[2] / "run_bot.py"
    bot_pool = int(re.findall(r"pool_size=(\d+)", start_of_bot.read_text())[0])
    return workers * (pool + 1) + bots * (bot_pool + 1) + OTHERS

"""Creates or upgrades the database at DATABASE_URL. Safe to run any number of times."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from neurocards.cli import main

if __name__ == "__main__":
    main(["migrate"])

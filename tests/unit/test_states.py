"""The state machine is one table, one diagram and one CHECK: they must say the same."""

import re
from pathlib import Path

from neurocards.jobs import MOVES, STAGES

ROOT = Path(__file__).parents[2]
ARROWS = {(start, end) for start, ends in MOVES.items() for end in ends}


def test_the_diagram_shows_every_move_and_no_other():
    # Given the arrows of the diagram, with [*] for the beginning and the end
    drawn = set(re.findall(r"^    (\S+) --> (\w+):", (ROOT / "docs/states.md").read_text(), re.MULTILINE))
    # When the beginning is called by the name the code gives it
    named = {("new" if start == "[*]" else start, end) for start, end in drawn}
    # Then the two agree
    assert named == ARROWS


def test_the_database_allows_every_move_and_no_other():
    # Given the pairs that the CHECK on job_events admits
    allowed = set(re.findall(r"'(\w+) > (\w+)'", (ROOT / "schema.sql").read_text()))
    # Then they are the moves
    assert allowed == ARROWS


def test_every_state_can_be_reached_and_the_ends_are_final():
    # Given the moves
    reached = {end for _, end in ARROWS}
    # Then nothing is unreachable, and only the three endings have no way on
    assert reached == set(MOVES) - {"new"}
    assert {start for start, ends in MOVES.items() if not ends} == {"done", "failed", "cancelled"}
    assert set(STAGES) <= set(MOVES)

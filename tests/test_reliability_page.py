"""RELIABILITY.md says what the kept results say, and what it points at is there."""

import re

from reliability.__main__ import PAGE, PLACE, ROOT, filled
from reliability.rehearsals import REHEARSALS


def test_the_page_shows_the_kept_results():
    page = PAGE.read_text()
    assert filled(page) == page, "make reliability ARGS=NAME fills it"


def test_every_rehearsal_with_evidence_has_its_place():
    places = {name for _, name, _ in PLACE.findall(PAGE.read_text())}
    assert places == {name for name, rehearsal in REHEARSALS.items() if rehearsal.full}


def test_what_the_page_points_at_is_there():
    links = re.findall(r"\]\(([^)#]+)\)", PAGE.read_text())
    assert len(links) > 20
    assert [link for link in links if not (ROOT / link).exists()] == []

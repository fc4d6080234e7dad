"""What operators see fits one message and can't be broken by what customers and vendors write."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from handlers import panels
from neurocards import buttons, monitoring, texts
from neurocards.cards import Screen
from neurocards.lookup import Person, Story
from neurocards.overview import Overview

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
NASTY = "<b>&\u202e😀" + "я" * 500
BIG = buttons.BIGGEST_ID


def _job(**columns: Any) -> Any:
    given = {
        "id": BIG, "user_id": BIG, "number": 5, "status": "processing", "stage": "submit", "due_at": NOW, "created_at": NOW,
        "claimed_at": NOW, "deadline_at": NOW, "finished_at": None, "failure_category": None, "failure_subtype": None,
    }  # fmt: skip
    return SimpleNamespace(**{**given, **columns})


ENTRY = SimpleNamespace(amount=-1000, kind="grant", reason=NASTY, created_at=NOW)
EVENT = SimpleNamespace(
    from_stage="submit", from_status="processing", to_stage="submit", to_status="processing", reason=NASTY, at=NOW
)
ATTEMPT = SimpleNamespace(
    n=12, state="ambiguous", key="0a1b2c3d", model="bytedance/seedance-1.5-pro", task_id="a" * 64, error=NASTY
)
ORDER = SimpleNamespace(id=BIG, count=5, description=NASTY)
USER = SimpleNamespace(id=BIG, first_name=NASTY[:64], language="ru", credits=5, reachable=True, banned_at=None)
KEY = SimpleNamespace(
    fingerprint="0a1b2c3d", account="main", configured=True, state="quarantined", reason=NASTY, until=NOW, locked=False, window=20,
    in_flight=100, credit=12345.5, credit_at=NOW,
)  # fmt: skip
ENDED = {
    "stage": None,
    "status": "failed",
    "finished_at": NOW,
    "failure_category": "USER_ERROR",
    "failure_subtype": "person",
}


def _check(screen: Screen) -> None:
    assert texts.units(screen.text) <= 4096
    assert NASTY[:6] not in screen.text
    for row in screen.buttons:
        assert 1 <= len(row) <= 8
        assert all(buttons.parse(data) and texts.units(label) <= 64 for label, data in row)


@pytest.mark.parametrize("language", texts.LANGUAGES)
def test_every_screen_fits_whatever_is_in_it(language: str) -> None:
    # Given rows as full and as nasty as they come; when they are shown; then each fits, is escaped, and its buttons can be read
    for job, waits in ((_job(), "try"), (_job(**ENDED), ""), (_job(stage=None, status="done", finished_at=NOW), "")):
        _check(panels.job(Story(job, ORDER, [EVENT] * 40, [ATTEMPT] * 20, [ENTRY] * 3, waits), language))  # type: ignore[arg-type,list-item]
    for user in (
        USER,
        SimpleNamespace(**{**vars(USER), "banned_at": NOW}),
        SimpleNamespace(**{**vars(USER), "reachable": False}),
    ):
        _check(panels.person(Person(user, [_job(**ENDED)] * 5, [ENTRY] * 5), language))  # type: ignore[list-item]
    _check(panels.keys([KEY] * 50, language))
    _check(panels.keys([], language))
    for closed in (True, False):
        _check(panels.orders(closed, language))


@pytest.mark.parametrize("shortage", sorted(monitoring.ADVICE))
@pytest.mark.parametrize("language", texts.LANGUAGES)
def test_the_figures_fit_a_phone(language: str, shortage: str) -> None:
    # Given a service in all sorts of trouble
    queue = {
        "queue": {"queued": 1000, "processing": 500, "total": 1500},
        "avg_wait_minutes": 12.3,
        "workers_configured": 5,
    }
    stages = dict.fromkeys(("queued", "script", "submit", "render", "deliver"), 100)
    failed = dict.fromkeys(("BILLING", "UNKNOWN", "USER_ERROR", "OPERATOR"), 3)
    now = Overview(
        queue=queue, shortage=shortage, stages=stages, orders=10, done=9, refunds=8, took=3725.0, failed=failed, outbox=(7, 61.0),
        inbox=(6, 0.0), keys=(0, 3), people=(1200, 1100, 3), paused=["kie"], held=4, closed=True,
    )  # fmt: skip
    # When it is shown
    screen = panels.stats(now, language)
    # Then it is short, and says how long things take and what is wrong
    _check(screen)
    assert len(screen.text.splitlines()) <= 14
    assert "1:02:05" in screen.text and "kie" in screen.text and "BILLING 3" in screen.text
    assert texts.say("op-held", language, held=4) in screen.text


@pytest.mark.parametrize(
    ("waits", "hurried"),
    [("worker", False), ("provider", False), ("answer", False), ("turn", False), ("look", True), ("try", True)],
)
@pytest.mark.parametrize("language", texts.LANGUAGES)
def test_a_job_is_hurried_only_where_it_waits_for_a_time(language: str, waits: str, hurried: bool) -> None:
    # Given an open job, whatever it waits for; when it is shown
    screen = panels.job(Story(_job(), ORDER, [], [], [], waits), language)  # type: ignore[arg-type]
    # Then it can be hurried where that would change something, and it says till when it may take
    assert ("op-hurry" in str(screen.buttons)) is hurried
    assert texts.say(f"op-job-waits-{waits}", language, time="15:00:00") in screen.text
    assert texts.say("op-job-deadline", language, time="24.11 15:00") in screen.text


def test_a_failed_job_says_that_it_is_closed_and_has_no_next_step() -> None:
    text = panels.job(Story(_job(**ENDED), ORDER, [], [], []), "ru").text  # type: ignore[arg-type]
    assert "заново его не запустить" in text and "Кредит уже вернулся" in text
    assert "15:00:00" not in text


def test_what_is_taken_is_not_called_a_grant() -> None:
    text = panels.person(Person(USER, [], [ENTRY]), "ru").text  # type: ignore[arg-type,list-item]
    assert "−1000 · списание" in text


def test_a_key_keeps_its_place_whatever_becomes_of_it() -> None:
    # Given two keys, the second of which goes out and comes back
    first, second = (SimpleNamespace(**{**vars(KEY), "state": "healthy", "fingerprint": f"{n:08x}"}) for n in (1, 2))
    before = panels.keys([first, second], "ru").buttons
    second.state = "quarantined"
    after = panels.keys([first, second], "ru").buttons
    # Then a thumb that is slow finds the same key under it
    assert [row[0][1].rpartition(":")[2] for row in before[:2]] == [row[0][1].rpartition(":")[2] for row in after[:2]]


def test_a_quarantined_key_says_when_it_is_looked_at_again() -> None:
    assert "Проверим в 15:00:00" in panels.keys([KEY], "ru").text
    cooling = SimpleNamespace(**{**vars(KEY), "state": "cooling"})
    assert "До 24.11 15:00" in panels.keys([cooling], "ru").text


def test_a_key_that_does_not_work_is_shown_however_many_there_are() -> None:
    # Given more keys than a message shows, the last of which is out
    healthy = [SimpleNamespace(**{**vars(KEY), "state": "healthy", "fingerprint": f"{n:08x}"}) for n in range(20)]
    screen = panels.keys([*healthy, KEY], "ru")
    # Then it is among them, with a hand on it, and the rest is counted
    assert buttons.data("op-release", KEY.fingerprint) in [row[0][1] for row in screen.buttons]
    assert "И ещё 11 ключей" in screen.text
    # And a credit of millions can be read
    assert "1\u00a0234\u00a0567" in panels.keys([SimpleNamespace(**{**vars(KEY), "credit": 1234567.0})], "ru").text

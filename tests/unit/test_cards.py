"""Cards, captions, notices and alerts: from rows to words, without a database."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from neurocards import buttons, cards, texts
from neurocards.models import Job, LedgerEntry, Order

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
NASTY = "<b>Чашка & «блюдце» 😀\u202e" + "я" * 3000


def _order(**columns: Any) -> Order:
    given = {"id": 12, "description": "Чашка с блюдцем", "template": "ugc", "count": 1, "created_at": NOON}
    return Order(**(given | columns))


def _job(number: int = 1, status: str = "queued", stage: str | None = None, **columns: Any) -> Job:
    ended = NOON + timedelta(seconds=252) if status in ("done", "failed", "cancelled") else None
    return Job(
        **({"id": 70 + number, "number": number, "status": status, "stage": stage, "finished_at": ended} | columns)
    )


def _labels(screen: cards.Screen) -> list[str]:
    return [label for row in screen.buttons for label, _ in row]


@pytest.mark.parametrize(
    ("status", "stage", "words", "cancellable"),
    [
        ("queued", None, "в очереди", True),
        ("processing", "script", "пишу сценарий", False),
        ("processing", "submit", "отправляю на съёмку", False),
        ("processing", "render", "снимаю", False),
        ("processing", "deliver", "забираю и отправляю", False),
    ],
)
def test_a_card_says_the_stage_and_can_be_cancelled_while_queued(
    status: str, stage: str | None, words: str, cancellable: bool
) -> None:
    # Given an order of one video in some stage
    # When its card is drawn
    screen = cards.card(_order(), [_job(status=status, stage=stage)], "ru", 240, 3)
    # Then it names order, product, stage and time, and offers to cancel only what no worker has taken up
    assert "Заказ №12" in screen.text and "Чашка с блюдцем" in screen.text
    assert words in screen.text and "≈4\u00a0мин" in screen.text
    assert [data for row in screen.buttons for _, data in row] == (["v1:cancel:12"] if cancellable else [])


@pytest.mark.parametrize(
    ("eta", "words"),
    [
        (None, "⏱ Видео придёт"),
        (300.0, "≈5\u00a0мин"),
        (149.0, "≈2\u00a0мин"),
        (60.0, "≈1\u00a0мин"),
        (46.0, "≈1\u00a0мин"),
        (44.0, "меньше минуты"),
        (0.0, "Дольше обычного, слежу"),
        (-90.0, "Дольше обычного, слежу"),
    ],
)
def test_the_time_left_is_rounded_and_never_a_fake(eta: float | None, words: str) -> None:
    # Given a forecast; when the card is drawn; then the time is in whole minutes, or admits to be late
    assert words in cards.card(_order(), [_job()], "ru", eta, 3).text


def test_a_card_of_several_videos_has_a_line_for_each() -> None:
    # Given three videos, each elsewhere
    jobs = [_job(1, "done"), _job(2, "processing", "render"), _job(3)]
    # When the card is drawn
    screen = cards.card(_order(count=3), jobs, "ru", 100, 3)
    # Then each has its line, and what waits can be cancelled apart
    assert screen.text.splitlines()[1:4] == ["1. ✅ готово", "2. 🎥 снимаю", "3. ⏳ в очереди"]
    assert _labels(screen) == ["✖️ Отменить то, что в очереди"]


@pytest.mark.parametrize(
    ("statuses", "text"),
    [
        (["done"], "✅ Заказ №12 готов за 4:12"),
        (["done", "done", "failed"], "✅ Заказ №12: 2 из 3 готовы, 1 кредит вернулся, баланс 3"),
        (["done", "cancelled", "failed"], "✅ Заказ №12: 1 из 3 готовы, 2 кредита вернулись, баланс 3"),
        (["failed"], "❌ Заказ №12: не вышло, 1 кредит вернулся, баланс 3"),
        (["cancelled", "failed"], "❌ Заказ №12: не вышло, 2 кредита вернулись, баланс 3"),
        (["cancelled"] * 5, "✖️ Заказ №12 отменён, 5 кредитов вернулось, баланс 3"),
    ],
)
def test_a_finished_order_shrinks_to_one_line(statuses: list[str], text: str) -> None:
    # Given an order whose jobs have all ended
    jobs = [_job(number, status) for number, status in enumerate(statuses, start=1)]
    # When its card is drawn
    screen = cards.card(_order(count=len(jobs)), jobs, "ru", None, 3)
    # Then one line says how it ended, and there is nothing left to press
    assert screen.text.replace("\u00a0", " ") == text and screen.buttons == []


def test_an_hour_is_written_as_an_hour() -> None:
    # Given an order that took over an hour; when its card is drawn; then hours stand before the minutes
    job = _job(status="done", finished_at=NOON + timedelta(seconds=3671))
    assert cards.card(_order(), [job], "en", None, 3).text == "✅ Order #12 done in 1:01:11"


@pytest.mark.parametrize("language", texts.LANGUAGES)
def test_nothing_a_person_types_breaks_a_card_or_a_caption(language: str) -> None:
    # Given a description of every trick and 3,000 letters
    order = _order(description=NASTY, count=5)
    # When card and caption are drawn
    card = cards.card(order, [_job(number) for number in range(1, 6)], language, 100, 3)
    caption = cards.video_caption(order, _job(3, "done"), language, 3)
    # Then both fit with room to spare, and what was typed is no markup
    assert texts.units(card.text) < 700 and texts.units(caption.text) <= 300
    assert "&lt;b&gt;" in card.text and "&lt;b&gt;Чашка &amp;" in caption.text


def test_a_video_comes_with_what_can_be_done_next() -> None:
    # Given a delivered video
    # When its caption is made
    screen = cards.video_caption(_order(), _job(status="done"), "ru", 2)
    # Then the buttons name the order, the file button the job, and the price is on the button that costs
    assert [[data for _, data in row] for row in screen.buttons] == [
        ["v1:again:12"], ["v1:wishes:12"], ["v1:restyle:12", "v1:file:71"]
    ]  # fmt: skip
    assert _labels(screen)[0] == "🔁 Ещё вариант · 1 кредит"
    assert "Заказ №12" in screen.text and "2\u00a0кредита" in screen.text


def test_one_of_several_videos_says_which_it_is() -> None:
    # Given the second of three videos; when its caption is made; then it says so, and an own prompt is called one
    screen = cards.video_caption(_order(count=3, template="own"), _job(2, "done"), "ru", 0)
    assert "видео 2 из 3" in screen.text and "✏️ Изменить промпт" in _labels(screen)
    assert cards.video_name(_order(count=3), _job(2)) == "12-2" and cards.video_name(_order(), _job(1)) == "12"


FAILURES = [
    ("USER_ERROR", "person", "человека", "Другое фото"),
    ("USER_ERROR", "sexual", "откровенными", "Другое фото"),
    ("USER_ERROR", "copyright", "охраняемый", "Изменить пожелания"),
    ("USER_ERROR", "moderation", "проверку", "Изменить пожелания"),
    ("USER_ERROR", "image_format", "прочитать", "Другое фото"),
    ("USER_ERROR", "image_size", "размеру", "Другое фото"),
    ("USER_ERROR", "prompt", "текст", "Изменить пожелания"),
    ("USER_ERROR", "default", "отклонил", "Другое фото"),
    ("USER_ERROR", "", "отклонил", "Другое фото"),
    ("USER_ERROR", "something_new", "отклонил", "Другое фото"),
    ("BILLING", "", "Обратитесь в тех. поддержку: @help", "Попробовать снова"),
    ("RATE_LIMIT", "", "перегружен", "Попробовать снова"),
    ("TEMPORARY", "provider", "сбоем", "Попробовать снова"),
    ("TEMPORARY", "deadline", "слишком долго", "Попробовать снова"),
    ("CONFIGURATION", "", "настройках", "Попробовать снова"),
    ("UNKNOWN", "crash", "непредвиденное", "Попробовать снова"),
    ("BRAND_NEW", "", "непредвиденное", "Попробовать снова"),
]


@pytest.mark.parametrize(("category", "subtype", "why", "button"), FAILURES)
def test_a_failure_says_what_why_the_money_and_what_next(category: str, subtype: str, why: str, button: str) -> None:
    # Given a failed job
    job = _job(status="failed", failure_category=category, failure_subtype=subtype)
    # When its notice is written
    screen = cards.failure_notice(_order(), job, "ru", 3, "@help", code="12-71")
    # Then it is four lines and a code, in words a person understands, with something to press
    lines = screen.text.replace("\u00a0", " ").splitlines()
    assert len(lines) == 5
    assert "Заказ №12" in lines[0] and lines[2] == "💳 Кредит вернулся, баланс 3."
    assert why in lines[1] + lines[3] and "12-71" in lines[4]
    assert any(button in label for label in _labels(screen))
    assert category not in screen.text and all(buttons.parse(data) for row in screen.buttons for _, data in row)


@pytest.mark.parametrize("language", texts.LANGUAGES)
@pytest.mark.parametrize("reason", [*cards.REMEDIES, *cards.PASSING])
def test_every_reason_is_explained(reason: str, language: str) -> None:
    # Given a reason; when it is looked up; then there is a why and a what next
    assert texts.say(f"why-{reason}", language)
    assert texts.say(f"next-{reason}", language, support="@help")


def test_the_history_has_a_button_a_video_and_ways_to_other_pages() -> None:
    # Given a page in the middle of many videos, one described with markup
    jobs = [_job(n, "done", order=_order(id=12 + n, description="<b>Чашка & " + "я" * 900)) for n in (3, 2, 1)]
    # When it is shown
    screen = cards.history(jobs, more=True, paged=True, language="ru")
    # Then each video has its line and its button, labels are plain, lines escaped, and there is a way back and on
    pressed = [data for row in screen.buttons for _, data in row]
    assert pressed == ["v1:video:73", "v1:video:72", "v1:video:71", "v1:newest", "v1:older:71"]
    assert _labels(screen)[0].startswith("▶️ №15 · <b>Чашка & ") and texts.units(_labels(screen)[0]) < 45
    assert "№15 · 23.11.2026 · &lt;b&gt;Чашка &amp;" in screen.text and texts.units(screen.text) < 1000


def test_an_empty_history_is_no_dead_end() -> None:
    # Given nobody's first visit and a page past the last
    # When either is shown
    # Then there is something to press
    assert cards.history([], more=False, paged=False, language="ru").buttons == [[("🎬 Новое видео", "v1:new")]]
    assert cards.history([], more=False, paged=True, language="ru").buttons == [[("⏮ К последним", "v1:newest")]]


def test_a_statement_lists_what_moved_the_balance() -> None:
    # Given the four kinds of movements, one of them late in the evening of Greenwich
    late = datetime(2026, 11, 23, 22, tzinfo=UTC)
    moved = [("refund", 1), ("debit", -1), ("grant", -2), ("grant", 10)]
    entries = [LedgerEntry(kind=kind, amount=amount, created_at=late) for kind, amount in moved]
    # When they are shown
    text = cards.statement(entries, 8, "ru", "@help").text.replace("\u00a0", " ")
    # Then each has its Moscow day, its amount with a sign, and its word
    assert "На балансе 8 кредитов" in text and "@help" in text
    assert [line for line in text.splitlines() if line.startswith("24.11.2026")] == [
        "24.11.2026 · +1 · возврат за видео", "24.11.2026 · −1 · видео",
        "24.11.2026 · −2 · списано", "24.11.2026 · +10 · начислено",
    ]  # fmt: skip
    assert cards.statement([], 0, "en", "@help").text.count("\n\n") == 1


@pytest.mark.parametrize(
    "what",
    ["key_quarantined", "script_fallback", "model_fallback", "unknown_failure", "configuration", "billing", "deadline",
     "inbox_set_aside", "late_result", "stuck_job"],
)  # fmt: skip
def test_an_operator_is_told_in_words_with_the_details(what: str) -> None:
    # Given an alert with details, one of them hostile
    # When it is written
    screen = cards.alert({"what": what, "job": 71, "text": "<script>" + "x" * 5000})
    text = screen.text
    # Then it says in words what happened, carries the details escaped, and fits
    assert what not in text and "job: <code>71</code>" in text and "&lt;script&gt;" in text
    assert texts.units(text) < 4096
    # And a button leads to what it is about
    assert "v1:op-job:71:new" in [data for row in screen.buttons for _, data in row]


def test_an_alert_without_a_text_of_its_own_still_tells() -> None:
    # Given an alert that a plugin brought, or none at all; when it is written; then its name stands for a text
    assert "my_&lt;plugin" in cards.alert({"what": "my_<plugin", "job": 1}).text
    assert cards.alert({}).text

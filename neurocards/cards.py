"""From rows to words: an order's living card, captions, failure notices, the history, the ledger, operators' alerts.

Pure: no queries, no Telegram. What comes out fits Telegram's limits whatever the customer typed.
"""

import html
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from neurocards import clock
from neurocards.buttons import BIGGEST_ID, Button, Rows, data
from neurocards.jobs import state
from neurocards.models import Job, LedgerEntry, Order
from neurocards.orders import price
from neurocards.policies import policy_for
from neurocards.texts import Html, cut, say, title

# Failures the customer can do something about, and with which buttons. Other subtypes of USER_ERROR read as "user".
REMEDIES: dict[str, tuple[str, ...]] = {
    "person": ("rephoto",),
    "sexual": ("rephoto", "wishes"),
    "copyright": ("rephoto", "wishes"),
    "moderation": ("rephoto", "wishes"),
    "image_format": ("rephoto",),
    "image_size": ("rephoto",),
    "prompt": ("wishes", "restyle"),
    "user": ("rephoto", "wishes"),
}
# Failures that may pass: the same order once more.
PASSING_SUBTYPES = ("deadline", "maintenance", "image_unreachable", "operator")
PASSING = ("billing", "rate_limit", "temporary", "configuration", "unknown", *PASSING_SUBTYPES)

# Alerts that an operator answers at the keys.
ABOUT_KEYS = ("key_quarantined", "no_key_left", "low_credit", "billing")

# Of an alert's details so much is shown; half an address leads nowhere.
LONGEST = {"url": 1000}

# Customers sell in Russia; Moscow has kept one offset since 2014.
MOSCOW = timezone(timedelta(hours=3))


@dataclass(frozen=True)
class Screen:
    """A message to be: HTML and rows of (label, callback data)."""

    text: str
    buttons: Rows = field(default_factory=list)


def card(order: Order, jobs: Sequence[Job], language: str, eta_seconds: float | None, balance: int) -> Screen:
    """The order as it stands. `jobs` are all of its jobs; `eta_seconds` till the last one is delivered.

    A negative ETA means overdue, None unknown.
    """
    if all(job.finished_at for job in jobs):
        return Screen(_outcome(order, jobs, language, balance))
    header = say("card-header", language, order=str(order.id), title=title(order.description))
    lines = [header, *_stages(jobs, language), _eta(eta_seconds, language)]
    return Screen("\n".join(lines), _cancel_row(order, jobs, language))


def _stages(rows: Sequence[Job], language: str) -> list[str]:
    stages = [say("stage-held" if job.held_at else f"stage-{state(job)}", language) for job in rows]
    if len(rows) == 1:
        return list(stages)
    return [say("card-line", language, number=job.number, stage=stage) for job, stage in zip(rows, stages, strict=True)]


def _eta(seconds: float | None, language: str) -> Html:
    if seconds is None:
        return say("card-no-eta", language)
    if seconds <= 0:
        return say("card-overdue", language)
    if seconds < 45:
        return say("card-soon", language)
    return say("card-eta", language, minutes=max(1, round(seconds / 60)))


def _cancel_row(order: Order, rows: Sequence[Job], language: str) -> Rows:
    queued = sum(job.status == "queued" for job in rows)
    if not queued:
        return []
    label = "button-cancel" if queued == len(rows) else "button-cancel-queued"
    return [[(say(label, language), data("cancel", order.id))]]


def _outcome(order: Order, rows: Sequence[Job], language: str, balance: int) -> Html:
    done = sum(job.status == "done" for job in rows)
    if done == len(rows):
        return say("card-done", language, order=str(order.id), time=_took(order, rows))
    refunded: dict[str, str | int] = {"order": str(order.id), "returned": len(rows) - done, "balance": balance}
    if done:
        return say("card-partly", language, done=done, count=len(rows), **refunded)
    cancelled = all(job.status == "cancelled" for job in rows)
    return say("card-cancelled" if cancelled else "card-failed", language, **refunded)


def _took(order: Order, rows: Sequence[Job]) -> str:
    last = max(job.finished_at for job in rows)
    return lasted(clock.unscaled((last - order.created_at).total_seconds()))


def lasted(seconds: float) -> str:
    """A span as 4:05, or 1:02:03."""
    hours, rest = divmod(max(0, round(seconds)), 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"


def video_name(order: Order, job: Job) -> str:
    """What a person calls the video: the order's number, and which of its videos when there are several."""
    return f"{order.id}-{job.number}" if order.count > 1 else str(order.id)


def video_caption(order: Order, job: Job, language: str, balance: int) -> Screen:
    """The caption of a delivered video, far below Telegram's 1024, and what can be done next."""
    values: dict[str, str | int] = {
        "title": title(order.description),
        "template": say(f"template-{order.template}", language),
        "order": str(order.id),
        "balance": balance,
    }
    if order.count > 1:
        text = say("video-caption-one-of", language, number=job.number, count=order.count, **values)
    else:
        text = say("video-caption", language, **values)
    file = (say("button-file", language), data("file", job.id))
    return Screen(text, [[_again(order, language)], [_wishes(order, language)], [_restyle(order, language), file]])


def failure_notice(order: Order, job: Job, language: str, balance: int, support: str, *, code: str) -> Screen:
    """What went wrong, why, where the credit is, what to press; `code` is for support. Never the provider's words."""
    reason = failure_reason(job)
    if order.count > 1:
        what = say("failure-what-one-of", language, order=str(order.id), number=job.number, count=order.count)
    else:
        what = say("failure-what", language, order=str(order.id))
    why, following = _explanation(job, reason, language, support)
    money, code_line = say("failure-money", language, balance=balance), say("failure-code", language, code=code)
    return Screen(f"{what}\n{why}\n{money}\n{following}\n{code_line}", _remedies(order, reason, language))


def _explanation(job: Job, reason: str, language: str, support: str) -> tuple[str, str]:
    """Why it failed and what to do next: in a plugin's own words, if its category came with some."""
    texts = policy_for(str(job.failure_category)).texts
    if texts and reason != "deadline":
        why, following = texts.get(language) or next(iter(texts.values()))
        return html.escape(why, quote=False), html.escape(following, quote=False)
    # every text may name the support contact; those that don't ignore it
    return say(f"why-{reason}", language), say(f"next-{reason}", language, support=support)


def held_notice(order: Order, until: datetime, language: str) -> Screen:
    """The provider is down: the order waits, and till when at most; `until` is its deadline."""
    return Screen(say("held", language, order=str(order.id), time=until.astimezone(MOSCOW).strftime("%H:%M")))


def failure_reason(job: Job) -> str:
    """Which of the prepared explanations fits the job's failure."""
    if job.failure_subtype in PASSING_SUBTYPES:
        return str(job.failure_subtype)
    if job.failure_category == "USER_ERROR":
        return job.failure_subtype if job.failure_subtype in REMEDIES else "user"
    category = str(job.failure_category).lower()
    return category if category in PASSING else "unknown"


def _remedies(order: Order, reason: str, language: str) -> Rows:
    if reason in PASSING:
        return [[(say("button-retry", language, price=price(1)), data("again", order.id))]]
    makers = {"rephoto": _rephoto, "wishes": _wishes, "restyle": _restyle}
    return [[makers[remedy](order, language)] for remedy in REMEDIES[reason]]


def _again(order: Order, language: str) -> Button:
    return say("button-again", language, price=price(1)), data("again", order.id)


def _wishes(order: Order, language: str) -> Button:
    label = "button-change-prompt" if order.template == "own" else "button-change-wishes"
    return say(label, language), data("wishes", order.id)


def _restyle(order: Order, language: str) -> Button:
    return say("button-restyle", language), data("restyle", order.id)


def _rephoto(order: Order, language: str) -> Button:
    return say("button-rephoto", language), data("rephoto", order.id)


def history(jobs: Sequence[Job], more: bool, paged: bool, language: str) -> Screen:
    """A page of finished videos, each with its order loaded, a button each; something to do even when there is none.

    `more`: older ones follow. `paged`: newer ones came before.
    """
    if jobs:
        text = "\n".join([say("history", language), *(_history_line(job, language) for job in jobs)])
    else:
        text = say("history-end" if paged else "history-empty", language)
    newest: list[Button] = [(say("button-newest", language), data("newest"))] if paged else []
    older: list[Button] = [(say("button-older", language), data("older", jobs[-1].id))] if more else []
    rows = [row for row in ([*([_video(job, language)] for job in jobs), [*newest, *older]]) if row]
    return Screen(text, rows or [[(say("button-new", language), data("new"))]])


def _history_line(job: Job, language: str) -> Html:
    name = video_name(job.order, job)
    return say("history-line", language, video=name, date=_day(job.finished_at), title=title(job.order.description))


def _video(job: Job, language: str) -> Button:
    # A label is no HTML: the customer's words go in as they are.
    name = Html(title(job.order.description, 24))
    return say("button-video", language, video=video_name(job.order, job), title=name), data("video", job.id)


def statement(entries: Sequence[LedgerEntry], balance: int, language: str, support: str) -> Screen:
    """The balance, what moved it last, and how to get more."""
    lines = [_entry(entry, language) for entry in entries]
    moved = "\n".join([say("balance-entries", language), *lines]) if lines else ""
    parts = (say("balance", language, balance=balance), moved, say("balance-top-up", language, support=support))
    return Screen("\n\n".join(filter(None, parts)))


def _entry(entry: LedgerEntry, language: str) -> Html:
    kind, amount = movement(entry)
    return say(f"entry-{kind}", language, date=_day(entry.created_at), amount=amount)


def movement(entry: LedgerEntry) -> tuple[str, str]:
    """The kind of an entry, as texts name it, and its amount with a sign: a grant that takes is none."""
    kind = "taken" if entry.kind == "grant" and entry.amount < 0 else entry.kind
    return kind, f"{entry.amount:+d}".replace("-", "\u2212") if entry.amount else "0"


def _day(moment: datetime) -> str:
    return moment.astimezone(MOSCOW).strftime("%d.%m.%Y")


def notice(payload: dict[str, Any], language: str, support: str) -> Html:
    """What a person is told beside their orders: credits that an operator gave, or that they are kept out."""
    values = {name: value for name, value in payload.items() if name != "what"}
    # every text may name the support contact; those that don't ignore it
    return say(f"notice-{payload['what']}", language, support=support, **values)


def alert(payload: dict[str, Any], language: str = "ru") -> Screen:
    """What an operator is told: the headline of `payload["what"]`, every other value by name, and the way to act."""
    what = str(payload.get("what", "?"))
    if what == "broadcast_over":
        return Screen(_broadcast_over(payload, language))
    try:
        headline = say(f"alert-{what}", language)
    except LookupError:
        # A plugin may bring an alert of its own; its name is better than silence.
        headline = say("alert-other", language, what=cut(what, 100))
    details = [(name, cut(str(value), LONGEST.get(name, 400))) for name, value in payload.items() if name != "what"]
    lines = [headline, *(say("alert-detail", language, name=name, value=value) for name, value in details[:8])]
    return Screen("\n".join(lines), _ways_to_act(what, payload, language))


def _broadcast_over(payload: dict[str, Any], language: str) -> Html:
    values = {name: payload[name] for name in ("people", "sent", "blocked", "failed")}
    time = lasted(payload["seconds"])
    return say(f"op-cast-{payload['state']}", language, cast=str(payload["broadcast"]), time=time, **values)


def _row_id(value: object) -> int:
    # A plugin's alert may carry anything under these names; groups have negative ids.
    return value if isinstance(value, int) and 0 < value <= BIGGEST_ID else 0


def _ways_to_act(what: str, payload: dict[str, Any], language: str) -> Rows:
    """A button to what it is about: the job, the person, the keys; the figures when it is about none of them."""
    row: list[Button] = []
    job, user = (_row_id(payload.get(name)) for name in ("job", "user"))
    if job:
        row.append((say("op-button-job", language, job=str(job)), data("op-job", job, "new")))
    if user:
        row.append((say("op-button-user", language), data("op-user", user, "new")))
    if what in ABOUT_KEYS:
        row.append((say("op-button-keys", language), data("op-keys", "new")))
    return [row or [(say("op-button-stats", language), data("op-stats", "new"))]]

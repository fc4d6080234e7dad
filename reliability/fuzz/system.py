"""What updates, walks and callbacks run against: servers, the stand-ins, the product's own parts, and customers in the middle of things."""

import logging
import os
import sys
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from neurocards import clock, db, ledger, logs, maintenance
from neurocards.audit import audit
from neurocards.config import Settings, load
from reliability.crash_sweep.play import Play
from reliability.crash_sweep.processes import Worker, warm_up
from reliability.crash_sweep.testbed import OPERATOR, Testbed
from reliability.fuzz.intake import Found, Intake
from reliability.fuzz.pictures import whole
from reliability.fuzz.shapes import Facts
from sandbox.client import User
from sandbox.staged import Staged

DATABASE = "fuzz"
CUSTOMERS = tuple(range(7001, 7025))
STRANGERS = tuple(range(7901, 7907))
CREDITS = 60
# Where a customer's order, if there is one, stands at the beginning.
ORDERS = ("done", "done", "failed", "cancelled", "deliver", "render", "submit", "queued", "queued")
DRAFTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("photo", dict.fromkeys(("photo_id", "description", "template", "wishes", "count"))),
    ("description", dict.fromkeys(("description", "template", "wishes", "count"))),
    ("template", dict.fromkeys(("template", "wishes", "count"))),
    ("wishes", dict.fromkeys(("wishes", "count"))),
    ("prompt", {"template": "own", "wishes": None, "count": None}),
    ("count", dict.fromkeys(("count",))),
    ("confirm", {}),
)

# What a press by somebody else must leave as it is.
_BOOKS = """SELECT md5(coalesce((SELECT string_agg(t::text, ',' ORDER BY id) FROM jobs t), '')
    || coalesce((SELECT string_agg(t::text, ',' ORDER BY id) FROM orders t), '')
    || coalesce((SELECT string_agg(t::text, ',' ORDER BY id) FROM ledger_entries t), '')
    || coalesce((SELECT string_agg(t::text, ',' ORDER BY id) FROM provider_attempts t), ''))"""
_DRAFTS = "SELECT md5(coalesce(string_agg(t::text, ',' ORDER BY id), '')) FROM drafts t WHERE NOT user_id = ANY(%s)"


class System(Staged):
    """A context: inside it everything runs, after it nothing is left. Everything of the product's is in this process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._play: Play | None = None
        self._photos: dict[int, str] = {}

    def _stage(self, undo: ExitStack) -> None:
        self._testbed = undo.enter_context(Testbed(self._folder))
        self._testbed.make(DATABASE)
        self._testbed.calm_vendors()
        self.client = self._testbed.client
        warm_up()
        os.environ.update(self._testbed.environment(DATABASE, {}))
        self.settings = load(Settings)
        clock.set_scale(self.settings.time_scale)
        self.worker: Worker = self._new_play().worker
        _log_to(self._folder, self.settings)
        undo.callback(db.db.close_all)
        db.connect(self.settings.database_url.get_secret_value(), pool_size=20)

    def _new_play(self) -> Play:
        self._play = Play(CUSTOMERS[0], self.client.url, self._folder / "trace", None, self._folder / "notes.json")
        return self._play

    def intake(self, found: Found) -> Intake:
        """A bot that has just started."""
        return Intake(self.settings, self.client, found)

    def people(self, intake: Intake) -> Facts:
        """Everybody greeted; customers with credits, a photo in their chat, and an order or a draft in every state there is."""
        for number in (*CUSTOMERS, *STRANGERS, OPERATOR):
            self.client.user(id=number).say("/start")
        intake.poll()
        for number in CUSTOMERS:
            user = self.client.user(id=number)
            user.photo(whole()["jpeg"])
            self._photos[number] = str(_photo_of(user))
            with db.db:
                ledger.grant(number, CREDITS, "fuzz", "fuzz", key=f"fuzz:{number}")
        intake.poll()
        self._orders()
        return self.facts()

    def _orders(self) -> None:
        play = self._play or self._new_play()
        for number, state in zip(CUSTOMERS, ORDERS, strict=False):
            play.customer = number
            if state == "failed":
                self.client.fault("kie", "createTask", "fail", failCode="400", failMsg="Image contains faces.")
            play.order("queued" if state == "cancelled" else state)
            if state == "cancelled":
                self.client.user(id=number).say("/cancel")
        for number, (state, answers) in zip(CUSTOMERS[len(ORDERS) :], DRAFTS * 2, strict=False):
            play.customer = number
            play.draft(state=state, **answers)
        maintenance.beat(self.worker.app)

    def facts(self) -> Facts:
        """What there is now."""
        facts = Facts(list(CUSTOMERS), list(STRANGERS), photos=self._photos)
        for user, draft, version, asked in rows("SELECT user_id, id, version, data->>'asked' FROM drafts"):
            facts.drafts[user] = (draft, version)
            facts.asked |= {user: int(asked)} if asked else {}
        for table, found in (("orders", facts.orders), ("jobs", facts.jobs)):
            by_user = defaultdict(list)
            for number, user in rows(f"SELECT id, user_id FROM {table} ORDER BY id DESC LIMIT 500"):  # noqa: S608  our own names
                by_user[user].append(number)
            found.update(by_user)
        return facts

    def books(self) -> tuple[Any, ...]:
        """Digests of orders, jobs, ledger, attempts; and of the drafts of those who are not strangers."""
        return rows(_BOOKS)[0][0], rows(_DRAFTS, (list(STRANGERS),))[0][0]

    def broken(self) -> list[str]:
        """The invariants that do not hold."""
        return [f"{found.invariant.name} {found.invariant.promise}: {found.ids}" for found in audit()]


def _log_to(folder: Path, settings: Settings) -> None:
    """The product's own log, redaction and all, into a file; standard output is this program's."""
    logs.configure("fuzz", str(folder), settings.secrets())
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if not isinstance(handler, logging.FileHandler)]:
        root.removeHandler(handler)
    sys.excepthook = sys.__excepthook__


def _photo_of(user: User) -> Any:
    return next(shown.media["file_id"] for shown in reversed(user.chat()) if shown.media and not shown.from_bot)


def rows(query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """What a query finds."""
    with db.db, closing(db.db.execute_sql(query, values)) as cursor:
        return list(cursor.fetchall())

"""Rules: what customers and operators do."""

from contextlib import suppress
from typing import Any

import hypothesis.strategies as st
from hypothesis.stateful import initialize, precondition
from peewee import IntegrityError

from neurocards import drafts, ledger, orders
from neurocards.db import db
from neurocards.errors import AlreadyOrdered, NotEnoughCredits, OrderRefused, StaleButton, TooManyOpen
from neurocards.models import Draft
from reliability.stateful.acts import PICK, Acts, nth, step
from reliability.stateful.model import Slip, demand

PEOPLE = st.integers(1, 3)
WELCOME = 3


class People(Acts):
    """Customers come, pay, draft, confirm too often, and cancel; operators give and take."""

    @initialize()
    def open_shop(self) -> None:
        """Somebody has ordered from the beginning, whatever else may be left out of an example."""
        self._meet(1)
        self._draft(1, WELCOME)
        self._confirm(self.world.slips[-1])

    @step(person=PEOPLE)
    def start(self, person: int) -> None:
        """The welcome credits come once."""
        self._meet(person)

    def _meet(self, person: int) -> None:
        new = orders.meet(person, "Anna", "ru", WELCOME).new
        demand(new == (person not in self.world.granted), "welcomed twice or never")
        if new:
            self.world.granted[person] = WELCOME
            self.world.photos[person] = orders.save_photo(person, b"jpeg", 720, 1280)

    def known(self, pick: int) -> int:
        """One of the people who have written."""
        return nth(list(self.world.granted), pick)

    @precondition(lambda self: bool(self.world.granted))
    @step(who=PICK, amount=st.integers(1, 5), payment=st.integers(0, 9))
    def top_up(self, who: int, amount: int, payment: int) -> None:
        """A payment has a key: what the vendor reports twice is paid in once."""
        person = self.known(who)
        with db:
            paid = ledger.grant(person, amount, "top-up", "operator", key=f"payment:{payment}")
        demand(paid == (payment not in self.world.payments), "a payment twice or never")
        if paid:
            self.world.payments.add(payment)
            self.world.granted[person] += amount

    @precondition(lambda self: bool(self.world.granted))
    @step(who=PICK, amount=st.integers(-3, 3).filter(bool))
    def correct(self, who: int, amount: int) -> None:
        """An operator gives, or takes back; never more than there is."""
        person = self.known(who)
        possible = self.world.credits(person) + amount >= 0
        try:
            with db:
                ledger.grant(person, amount, "a correction", "operator")
        except IntegrityError:
            demand(not possible, "a correction was refused")
        else:
            demand(possible, "a balance below zero")
            self.world.granted[person] += amount

    @precondition(lambda self: bool(self.world.granted))
    @step(who=PICK, count=st.sampled_from(orders.COUNTS))
    def draft(self, who: int, count: int) -> None:
        """A new answer in the dialogue; the price card shows this draft in this version."""
        self._draft(self.known(who), count)

    def _draft(self, person: int, count: int) -> None:
        product: dict[str, Any] = {"description": "a mug", "template": "ugc", "count": count}
        draft = drafts.save(person, person, state="confirm", photo_id=self.world.photos[person], **product)
        self._shown(person, draft)

    def _shown(self, person: int, draft: Draft) -> None:
        slip = Slip(person, draft.id, draft.version, draft.data["count"])
        self.world.slips.append(slip)
        self.world.current[person] = slip

    @precondition(lambda self: bool(self.world.slips))
    @step(which=PICK)
    def confirm(self, which: int) -> None:
        """Any card that was ever shown: the newest, one that has changed since, one that was confirmed before."""
        self._confirm(nth(self.world.slips, which))

    def _confirm(self, slip: Slip) -> None:
        refused = self._refusal(slip)
        try:
            order = orders.place(slip.person, slip.person, slip.draft, slip.version, 100)
        except OrderRefused as error:
            demand(type(error) is refused, f"refused as {type(error)} and not {refused}")
            demand(getattr(error, "order_id", slip.order) == slip.order, "another order")
        else:
            demand(refused is None, f"taken, though {refused}")
            slip.order, self.world.orders[order.id] = order.id, slip
            del self.world.current[slip.person]

    @precondition(lambda self: bool(self.world.granted))
    @step(who=PICK, count=st.sampled_from(orders.COUNTS))
    def order(self, who: int, count: int) -> None:
        """A draft, confirmed at once."""
        self._draft(self.known(who), count)
        self._confirm(self.world.slips[-1])

    def _refusal(self, slip: Slip) -> type[OrderRefused] | None:
        if slip.order is not None:
            return AlreadyOrdered
        if self.world.current.get(slip.person) is not slip:
            return StaleButton
        if self.world.unfinished(slip.person) + slip.count > orders.MOST_OPEN:
            return TooManyOpen
        return None if self.world.credits(slip.person) >= slip.count else NotEnoughCredits

    @precondition(lambda self: bool(self.world.slips) and len(self.world.granted) > 1)
    @step(which=PICK, who=PICK)
    def confirm_anothers(self, which: int, who: int) -> None:
        """Somebody else's card is nobody's order."""
        slip, thief = nth(self.world.slips, which), self.known(who)
        if thief == slip.person:
            return
        with suppress(StaleButton):
            orders.place(thief, thief, slip.draft, slip.version, 100)
            demand(False, "another's draft was ordered")

    @precondition(lambda self: bool(self.world.orders))
    @step(which=PICK)
    def repeat(self, which: int) -> None:
        """One more of the same: a draft of its own, and every older card is stale."""
        order = nth(list(self.world.orders), which)
        person = self.world.orders[order].person
        self._shown(person, orders.repeat(person, person, order))

    @precondition(lambda self: bool(self.world.orders))
    @step(which=PICK)
    def cancel(self, which: int) -> None:
        """Whatever no worker has taken up is withdrawn."""
        order = nth(list(self.world.orders), which)
        rows = [video.row for video in self.world.videos.values() if video.row.order == order]
        waiting = [row.id for row in rows if row.state == "queued"]
        withdrawn = 0
        with suppress(StaleButton):
            withdrawn = orders.cancel(self.world.orders[order].person, order)
        demand(withdrawn == len(waiting), f"{withdrawn} of {len(waiting)} cancelled")
        for job_id in waiting:
            self.world.expect(job_id, frozenset({"cancelled"}))

    @precondition(lambda self: any(not video.open for video in self.world.videos.values()))
    @step(which=PICK, kind=st.sampled_from(["refund", "capture"]))
    def settle_again(self, which: int, kind: str) -> None:
        """A job that has ended is paid for or refunded: the database refuses anything more, whoever asks."""
        ended = [job_id for job_id, video in self.world.videos.items() if not video.open]
        job_id = nth(ended, which)
        refused = False
        try:
            with db:
                ledger.refund(job_id, "again", "operator") if kind == "refund" else ledger.capture(job_id, "operator")
        except IntegrityError:
            refused = True
        demand(refused, f"job {job_id} was settled twice")

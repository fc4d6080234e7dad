"""Races for credits, and for what people are told: each function prepares one and says who competes and how the winner is known."""

import time
from functools import partial

from peewee import IntegrityError

from neurocards import ledger, orders, outbox
from neurocards.db import db
from neurocards.errors import AlreadyOrdered, NotEnoughCredits
from neurocards.models import LedgerEntry, Order, Outgoing
from reliability.races.arena import MOST, Race, Results, between, only_winner
from reliability.races.shop import Shop
from reliability.stateful.model import demand

PRESSES = 16


def same_confirm(shop: Shop, presses: int = PRESSES) -> Race:
    """Many presses of one button are one order, and one debit for each video."""
    draft = shop.draft(shop.person(10), 3)
    press = partial(orders.place, draft.user_id, draft.chat_id, draft.id, draft.version, 100)

    def judge(results: Results) -> str:
        winner = only_winner(results)
        others = {type(result) for name, result in results.items() if name != winner}
        demand(others <= {AlreadyOrdered}, f"the other presses met {others}")
        with db:
            mine = Order.select(Order.id).where(Order.user == draft.user_id)
            debits = LedgerEntry.select().where((LedgerEntry.user == draft.user_id) & (LedgerEntry.kind == "debit"))
            demand((mine.count(), debits.count(), ledger.balance(draft.user_id)) == (1, 3, 7), "not one order")
        return winner.partition(",")[0]

    names = {f"press {number % 16},{number}": press for number in range(presses)}
    return Race(names, judge, frozenset(name.partition(",")[0] for name in names))


def crowded_confirm(shop: Shop) -> Race:
    """The same with as many presses as there are threads."""
    return same_confirm(shop, MOST)


def rival_confirms(shop: Shop) -> Race:
    """Different drafts of somebody who can pay for one: the others are refused and stay."""
    person = shop.person(1)
    offers = [shop.draft(person) for _ in range(4)]

    def judge(results: Results) -> str:
        winner = only_winner(results)
        others = {type(result) for name, result in results.items() if name != winner}
        demand(others == {NotEnoughCredits} and orders.balance(person) == 0, f"the other drafts met {others}")
        return winner

    places = {
        f"draft {n}": partial(orders.place, person, draft.chat_id, draft.id, draft.version, 100)
        for n, draft in enumerate(offers)
    }
    return Race(places, judge, frozenset(places))


def take_back(shop: Shop) -> Race:
    """An operator takes the last credit back while its owner orders with it: one of the two."""
    person = shop.person(1)
    draft = shop.draft(person)

    def correct() -> bool:
        try:
            with db:
                return ledger.grant(person, -1, "a correction", "operator")
        except IntegrityError:
            return False

    confirm = partial(orders.place, person, draft.chat_id, draft.id, draft.version, 100)
    return between({"confirm": confirm, "operator": correct})


def same_payment(shop: Shop) -> Race:
    """One payment that is reported four times is paid in once."""
    person = shop.person(0)

    def pay() -> bool:
        with db:
            return ledger.grant(person, 5, "top-up", "operator", key=f"payment:{person}")

    return between({f"report {number}": pay for number in range(4)})


def couriers(shop: Shop) -> Race:
    """One row is told by one courier."""
    row_id = _card(shop.order())

    def take() -> Outgoing | None:
        with db:
            return outbox.take(row_id)

    return between({f"courier {number}": take for number in range(4)})


def _card(order: Order) -> int:
    with db:
        row_id: int = Outgoing.get(Outgoing.key == f"card:{order.id}").id
        return row_id


def redrawn_card(shop: Shop) -> Race:
    """A card is asked for again while it is being told: it stays to be drawn once more, whoever is first."""
    row_id = _card(order := shop.order())
    with db:
        row = outbox.take(row_id)

    def sent() -> float:
        with db:
            if row:
                outbox.sent(row)
        return time.monotonic()

    def redraw() -> float:
        with db:
            outbox.redraw_card(order)
        return time.monotonic()

    def judge(results: Results) -> str:
        with db:
            card = Outgoing.get(Outgoing.key == f"card:{order.id}")
        demand(card.sent_at is None and card.version == 2, "a card that was asked for again is not drawn")
        return min(results, key=lambda name: float(str(results[name])))

    return Race({"sent": sent, "redraw": redraw}, judge, frozenset({"sent", "redraw"}))

"""Drafts: the conversation as rows, one for each (chat, user). Every answer raises `version`, and a confirm names the version it saw."""

from typing import Any

from neurocards.db import db
from neurocards.errors import StaleButton
from neurocards.models import NOW, Draft

KEEP = object()


def find(chat_id: int, user_id: int) -> Draft | None:
    """The open draft, or None."""
    with db:
        return Draft.get_or_none((Draft.chat_id == chat_id) & (Draft.user_id == user_id))


def save(chat_id: int, user_id: int, *, of: int | None = None, state: object = KEEP, **data: Any) -> Draft:
    """Merges `data` into the draft (a None removes the key) and sets its state; makes the draft when there is none.

    `of` is the id of the draft that the data belong to. Raises StaleButton, with nothing written, when that one has ended: another
    bot process may have been at the same update.
    """
    with db:
        Draft.insert(chat_id=chat_id, user_id=user_id, data={}, version=0).on_conflict_ignore().execute()
        draft = Draft.select().where((Draft.chat_id == chat_id) & (Draft.user_id == user_id)).for_update().get()
        if of is not None and draft.id != of:
            raise StaleButton("the draft has ended")
        draft.data = {key: value for key, value in {**draft.data, **data}.items() if value is not None}
        draft.state = draft.state if state is KEEP else state
        draft.version += 1
        Draft.update(data=draft.data, state=draft.state, version=draft.version, updated_at=NOW).where(
            Draft.id == draft.id
        ).execute()
        return draft


def asked_in(draft_id: int, message_id: int) -> None:
    """Notes which message asks the open question. That is no answer: the version stays, and a draft that is gone stays gone."""
    with db:
        Draft.update(data=Draft.data.concat({"asked": message_id})).where(Draft.id == draft_id).execute()


def clear(chat_id: int, user_id: int) -> None:
    """Forgets the draft; the next one gets a new id, so that buttons of this one are stale."""
    with db:
        Draft.delete().where((Draft.chat_id == chat_id) & (Draft.user_id == user_id)).execute()


def consume(draft_id: int, version: int, user_id: int) -> dict[str, Any] | None:
    """Takes the draft out for good if it is still as it was shown, and returns its data. Inside the caller's transaction."""
    rows = (
        Draft.delete()
        .where(
            (Draft.id == draft_id)
            & (Draft.version == version)
            & (Draft.user_id == user_id)
            & (Draft.state == "confirm")
        )
        .returning(Draft.data)
        .execute()
    )
    return next((row.data for row in rows), None)

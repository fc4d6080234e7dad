"""Telebot's state storage over our drafts: the conversation is a row, so a restart in its middle is not noticed."""

from typing import Any

from telebot.storage import StateStorageBase
from telebot.storage.base_storage import StateDataContext

from neurocards import drafts


class DraftStorage(StateStorageBase):
    """States and data of telebot, one draft for each (chat, user); topics and business chats don't occur here."""

    def get_state(self, chat_id: int, user_id: int, *_: Any, **__: Any) -> str | None:
        """The open question, None without a draft."""
        draft = drafts.find(chat_id, user_id)
        return draft.state if draft else None

    def set_state(self, chat_id: int, user_id: int, state: Any, *_: Any, **__: Any) -> bool:
        """Opens another question; makes the draft when there is none."""
        drafts.save(chat_id, user_id, state=getattr(state, "name", state))
        return True

    def delete_state(self, chat_id: int, user_id: int, *_: Any, **__: Any) -> bool:
        """Forgets the draft; False when there was none."""
        found = drafts.find(chat_id, user_id) is not None
        drafts.clear(chat_id, user_id)
        return found

    def get_data(self, chat_id: int, user_id: int, *_: Any, **__: Any) -> dict[str, Any]:
        """The answers so far."""
        draft = drafts.find(chat_id, user_id)
        return dict(draft.data) if draft else {}

    def set_data(self, chat_id: int, user_id: int, key: str, value: Any, *_: Any, **__: Any) -> bool:
        """Keeps one answer; None removes it."""
        drafts.save(chat_id, user_id, **{key: value})
        return True

    def reset_data(self, chat_id: int, user_id: int, *_: Any, **__: Any) -> bool:
        """Forgets the answers and keeps the question."""
        self.save(chat_id, user_id, {})
        return True

    def get_interactive_data(self, chat_id: int, user_id: int, *_: Any, **__: Any) -> StateDataContext:
        """The answers as a context that saves them at its end."""
        return StateDataContext(self, chat_id, user_id)

    def save(self, chat_id: int, user_id: int, data: dict[str, Any], *_: Any, **__: Any) -> bool:
        """Makes the answers exactly `data`."""
        gone = dict.fromkeys(self.get_data(chat_id, user_id).keys() - data.keys())
        drafts.save(chat_id, user_id, **gone, **data)
        return True

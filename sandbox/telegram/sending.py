"""Bot API methods that put something new into a chat."""

import re
import secrets
from typing import Any

from sandbox.telegram.call import Call
from sandbox.telegram.errors import ApiError, bad_request
from sandbox.telegram.files import Media
from sandbox.telegram.input_files import input_file, input_thumbnail
from sandbox.telegram.keyboard import reply_markup
from sandbox.telegram.limits import MAX_ALBUM
from sandbox.telegram.media import MediaFactory, Upload
from sandbox.telegram.params import leading_integer
from sandbox.telegram.pictures import BadPicture, Rendition
from sandbox.telegram.state import Chat, Message
from sandbox.telegram.text import Formatted, caption, message_text

Json = dict[str, Any]

_ACTION = re.compile(
    "cancel|typing|(record|upload)_(video|audio|voice|video_note)|upload_(photo|document)|choose_sticker"
    "|(pick_up|find)_location"
)
_ALBUM_KINDS = frozenset({"photo", "video", "document"})


def send_message(call: Call) -> Json:
    """sendMessage."""
    params = call.params
    text = message_text(params.text("text"), params.text("parse_mode"), params.text("entities"))
    _check_preview(call)
    return _send(call, Message(0, 0, True, text))


def _check_preview(call: Call) -> None:
    options = call.params.parsed("link_preview_options", "link preview options")
    if options is not None and not isinstance(options, dict):
        raise bad_request("object expected as link preview options")


def _send(call: Call, message: Message) -> Json:
    # In Telegram's order of checks: text, buttons, chat, the message answered, flood control.
    message.markup = reply_markup(call.params.text("reply_markup"))
    chat = call.chat()
    message.reply_to = call.reply_to(chat)
    call.pace(chat)
    return call.shown(chat, call.post(chat, message))


def send_photo(call: Call) -> Json:
    """sendPhoto."""
    return _send_file(call, "photo")


def send_video(call: Call) -> Json:
    """sendVideo."""
    return _send_file(call, "video")


def send_document(call: Call) -> Json:
    """sendDocument."""
    return _send_file(call, "document")


def _send_file(call: Call, kind: str) -> Json:
    params = call.params
    text = caption(params.text("caption"), params.text("parse_mode"), params.text("caption_entities"))
    source = input_file(call, kind, params.text(kind), kind)
    if source is None:
        raise bad_request(f"there is no {kind} in the request")
    # Before the bytes are looked at: a chat that can't be written to is refused first.
    call.chat()
    numbers = {name: params.number(name, 0, 0, 10_000_000) for name in ("width", "height", "duration")}
    given = {**numbers, "cover": _cover(call, params.text("cover")) if kind == "video" else None}
    small = input_thumbnail(call) if kind != "photo" else None
    return _send(call, Message(0, 0, True, text, _media(call, kind, source, given, small)))


def _cover(call: Call, value: str) -> list[Json] | None:
    """The sizes of a video's cover, given as an upload or a photo's id."""
    source = input_file(call, "photo", value, "cover") if value or call.params.file("cover") else None
    if source is None:
        return None
    sizes: list[Json] = _media(call, "photo", source, {}, None).json()
    return sizes


def _media(call: Call, kind: str, source: Upload | Media, given: Json, small: Rendition | None) -> Media:
    if isinstance(source, Media):
        # An id stands for a file of one kind; Telegram converts nothing.
        if source.kind != kind:
            raise bad_request(f"can't use file of type {source.kind.title()} as {kind.title()}")
        return source
    factory = MediaFactory(call.telegram.files, call.bot.index)
    if kind == "video":
        return factory.video(source, given, small)
    if kind == "document":
        return factory.document(source, small)
    try:
        return factory.photo(source.blob)
    except BadPicture as wrong:
        raise bad_request(str(wrong)) from None


def item_media(call: Call, item: Any) -> tuple[str, Formatted, Media]:
    """One InputMedia: its type, its caption and its file. Raises ApiError 400 as Telegram words it."""
    if not isinstance(item, dict):
        raise bad_request("can't parse InputMedia: expected an Object")
    text = caption(str(item.get("caption") or ""), str(item.get("parse_mode") or ""), "")
    kind = str(item.get("type"))
    if kind not in _ALBUM_KINDS:
        raise bad_request(f'can\'t parse InputMedia: type "{kind}" is unsupported')
    source = input_file(call, kind, str(item.get("media") or ""))
    if source is None:
        raise bad_request("can't parse InputMedia: media not found")
    small = input_thumbnail(call, str(item.get("thumbnail") or item.get("thumb") or "")) if kind != "photo" else None
    given = {name: leading_integer(str(item.get(name, ""))) for name in ("width", "height", "duration")}
    return kind, text, _media(call, kind, source, given, small)


def send_media_group(call: Call) -> list[Json]:
    """sendMediaGroup: 2-10 messages with one group id; a keyboard given here is skipped, as Telegram does."""
    call.params.required("media")
    items = call.params.parsed("media", "media")
    if not isinstance(items, list):
        raise bad_request("expected an Array of InputMedia")
    if not items:
        raise bad_request("there are no messages to send")
    if len(items) > MAX_ALBUM:
        raise bad_request("too many messages to send as an album")
    # Every item is checked before the first is shown: an album comes whole or not at all.
    chat = call.chat()
    parsed = [_numbered(call, number, item) for number, item in enumerate(items, 1)]
    kinds = {kind for kind, _, _ in parsed}
    if "document" in kinds and len(kinds) > 1:
        raise bad_request("document can't be mixed with other media types")
    return _post_album(call, chat, [(text, media) for _, text, media in parsed])


def _numbered(call: Call, number: int, item: Any) -> tuple[str, Formatted, Media]:
    try:
        return item_media(call, item)
    except ApiError as wrong:
        why = wrong.description.removeprefix("Bad Request: ")
        if why.startswith("can't parse") or wrong.code != 400:
            raise
        spoken = why[:1].upper() + why[1:]
        raise bad_request(f'failed to send message #{number} with the error message "{spoken}"') from None


def _post_album(call: Call, chat: Chat, parts: list[tuple[Formatted, Media]]) -> list[Json]:
    reply_to = call.reply_to(chat)
    group = str(secrets.randbelow(2**53)) if len(parts) > 1 else ""
    call.pace(chat)
    sent = [Message(0, 0, True, text, media, group=group, reply_to=reply_to) for text, media in parts]
    return [call.shown(chat, call.post(chat, message)) for message in sent]


def copy_message(call: Call) -> Json:
    """copyMessage, within the chats of this bot; answers the new id only."""
    params = call.params
    source = call.telegram.writable(call.bot, params.required("from_chat_id"))
    original = source.messages.get(params.number("message_id"))
    if original is None:
        raise bad_request("message to copy not found")
    text = original.text
    if original.media and params.given("caption"):
        text = caption(params.text("caption"), params.text("parse_mode"), params.text("caption_entities"))
    sent = _send(call, Message(0, 0, True, text, original.media, extra=dict(original.extra)))
    return {"message_id": sent["message_id"]}


def send_chat_action(call: Call) -> bool:
    """sendChatAction."""
    action = call.params.text("action").lower()
    if not _ACTION.fullmatch(action):
        raise bad_request("wrong parameter action in request")
    chat = call.chat()
    call.event(chat, "action", action=action)
    return True

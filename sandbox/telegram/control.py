"""The control API of the Telegram stand-in under `/sandbox/telegram`: acting as people, and watching what the bot did.

    GET  /users                         people with their last message; also the bot
    POST /users                         {id?, first_name, username?, language_code?}
    POST /chats/<id>/text               {text}
    POST /chats/<id>/photo              photo=<file> or base64, caption?
    POST /chats/<id>/document           document=<file> or base64, filename?, mime?, caption?; or declared_size=<bytes>
    POST /chats/<id>/video              video=<file> or base64, caption?
    POST /chats/<id>/album              photo=<files> or a list of base64, caption?
    POST /chats/<id>/sticker | voice | location
    POST /chats/<id>/edit               {message_id, text}
    POST /chats/<id>/tap                {message_id, data, forged?, from_user?}
    POST /chats/<id>/block | unblock
    GET  /chats/<id>?after=&wait=       events of one chat, waiting up to `wait` seconds for the first
    GET  /chats/<id>/messages           what is visible now, and the reply keyboard
    GET  /events?after=&wait=           events of all chats
    POST /updates                       {update}: any JSON object, to see what the bot makes of it
    POST /updates/<update_id>/redeliver hand a confirmed update out once more
    GET  /files/<file_id>               bytes, for the chat page
    GET  /bot                           profile, commands, webhook, number of waiting updates
    GET|PUT /settings                   {tokens: [..], callback_answer_seconds, callback_lifetime_seconds,
                                         rate_limit: {enabled, chat_per_second?, chat_burst?, bot_per_second?}}

Actions answer {update_ids, message_ids, event}: `event` numbers the action among the chat's events. Fields come as JSON
or as a form. `?bot=<id>` chooses among several bots; the first one is the default.
"""

from typing import Any

from flask import Blueprint, Response, abort, jsonify, request, send_file

from sandbox.control import MAX_WAIT_SECONDS, json_object, refusal
from sandbox.journal import fingerprint
from sandbox.telegram.attachments import Submission, media_of
from sandbox.telegram.limits import MESSAGE_LIFETIME_SECONDS
from sandbox.telegram.media import MediaFactory
from sandbox.telegram.people import Actor, Impossible
from sandbox.telegram.pictures import BadPicture
from sandbox.telegram.state import Bot, Chat, Telegram

Json = dict[str, Any]


def add_routes(routes: Blueprint, telegram: Telegram) -> None:
    """Everything listed above, below `/sandbox/telegram`."""
    api = Blueprint("telegram_control", __name__, url_prefix="/sandbox/telegram")
    api.register_error_handler(Impossible, lambda why: refusal(str(why), 409))
    api.register_error_handler(BadPicture, lambda why: refusal(f"not a photo: {why}"))
    api.register_error_handler(TypeError, lambda why: refusal(str(why)))
    api.register_error_handler(ValueError, lambda why: refusal(str(why)))
    for add in (_add_people, _add_words, _add_files, _add_button, _add_watching, _add_updates, _add_settings):
        add(api, telegram)
    routes.register_blueprint(api)


def chosen_bot(telegram: Telegram) -> Bot:
    """The bot a control call is about; answers 404 for an unknown one."""
    wanted = request.args.get("bot", type=int)
    found = next((bot for bot in telegram.bots if wanted in (None, bot.id)), None)
    return found or abort(refusal("no such bot", 404))


def _chat(telegram: Telegram, user_id: int) -> Chat:
    person = telegram.people.get(user_id)
    if person is None:
        abort(refusal("no such user", 404))
    return telegram.chat(chosen_bot(telegram), person)


def _actor(telegram: Telegram, user_id: int) -> Actor:
    return Actor(telegram, chosen_bot(telegram), _chat(telegram, user_id))


def _factory(telegram: Telegram) -> MediaFactory:
    return MediaFactory(telegram.files, chosen_bot(telegram).index)


def _add_people(api: Blueprint, telegram: Telegram) -> None:
    @api.get("/users")
    def users() -> Response:
        bot = chosen_bot(telegram)
        with telegram.lock:
            people = [_person(telegram.chat(bot, person)) for person in telegram.people.values()]
        return jsonify({"users": people, "bot": bot.json(), "last": telegram.events.last})

    @api.post("/users")
    def add_user() -> Response:
        body = json_object()
        name = str(body.get("first_name") or "Анна")[:64]
        person_id = int(body["id"]) if body.get("id") else None
        username, language = str(body.get("username") or "")[:32], str(body.get("language_code") or "")[:8]
        return jsonify(telegram.add_person(person_id, name, username, language).json())


def _person(chat: Chat) -> Json:
    last = next(reversed(chat.messages.values()), None)
    return {
        **chat.person.json(),
        "started": chat.started,
        "blocked": chat.blocked,
        "last": last.view() if last else None,
    }


def _add_words(api: Blueprint, telegram: Telegram) -> None:
    @api.post("/chats/<int:user_id>/text")
    def say(user_id: int) -> Json:
        return _actor(telegram, user_id).say(Submission(request).text("text")).json()

    @api.post("/chats/<int:user_id>/edit")
    def edit(user_id: int) -> Json:
        body = Submission(request)
        return _actor(telegram, user_id).edit(int(body.text("message_id") or 0), body.text("text")).json()

    @api.post("/chats/<int:user_id>/location")
    def location(user_id: int) -> Json:
        body = Submission(request)
        place = float(body.text("latitude") or 55.7558), float(body.text("longitude") or 37.6173)
        return _actor(telegram, user_id).place(*place).json()

    @api.post("/chats/<int:user_id>/<any(block, unblock):what>")
    def block(user_id: int, what: str) -> Json:
        return _actor(telegram, user_id).block(what == "block").json()


def _add_files(api: Blueprint, telegram: Telegram) -> None:
    @api.post("/chats/<int:user_id>/<any(photo, document, video):kind>")
    def send(user_id: int, kind: str) -> Json:
        actor, factory, body = _actor(telegram, user_id), _factory(telegram), Submission(request)
        media = media_of(factory, kind, body.uploads(telegram.files, kind)[0])
        return actor.send(media, body.text("caption")).json()

    @api.post("/chats/<int:user_id>/album")
    def album(user_id: int) -> Json:
        actor, factory, body = _actor(telegram, user_id), _factory(telegram), Submission(request)
        photos = body.uploads(telegram.files, "photo")
        if not 2 <= len(photos) <= 10:
            raise Impossible("an album has 2 to 10 photos")
        media = [media_of(factory, "photo", one) for one in photos]
        return actor.album(media, body.text("caption")).json()

    @api.post("/chats/<int:user_id>/<any(sticker, voice):kind>")
    def small(user_id: int, kind: str) -> Json:
        actor, factory = _actor(telegram, user_id), _factory(telegram)
        return actor.send(factory.sticker("👍") if kind == "sticker" else factory.voice(3)).json()

    @api.get("/files/<file_id>")
    def file(file_id: str) -> Response:
        stored = telegram.files.any(file_id)
        if stored is None or stored.blob.path is None:
            return refusal("no such file", 404)
        response = send_file(stored.blob.path, mimetype=stored.mime, conditional=True)
        # A user's document may be HTML: it must never run in the page's origin.
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'; img-src 'self'; media-src 'self'"
        return response


def _add_button(api: Blueprint, telegram: Telegram) -> None:
    @api.post("/chats/<int:user_id>/tap")
    def tap(user_id: int) -> Json:
        body, sender = json_object(), None
        if body.get("from_user"):
            person = telegram.people.get(int(body["from_user"]))
            if person is None:
                abort(refusal("no such user", 404))
            sender = person.json()
        forged = bool(body.get("forged")) or sender is not None
        message_id, data = int(body.get("message_id", 0)), str(body.get("data", ""))
        return _actor(telegram, user_id).tap(message_id, data, forged=forged, sender=sender).json()


def _add_watching(api: Blueprint, telegram: Telegram) -> None:
    def events(chat_id: int | None) -> Response:
        after = request.args.get("after", 0, int)
        seconds = min(request.args.get("wait", 0.0, float), MAX_WAIT_SECONDS)
        found = telegram.events.wait(after, seconds, chat_id)
        return jsonify({"events": found, "last": found[-1]["n"] if found else after})

    @api.get("/chats/<int:user_id>")
    def chat_events(user_id: int) -> Response:
        _chat(telegram, user_id)
        return events(user_id)

    @api.get("/events")
    def all_events() -> Response:
        return events(None)

    @api.get("/chats/<int:user_id>/messages")
    def messages(user_id: int) -> Response:
        chat = _chat(telegram, user_id)
        with telegram.lock:
            shown = [message.view() for message in chat.messages.values()]
            state = {"started": chat.started, "blocked": chat.blocked, "last": telegram.events.last}
        return jsonify({"messages": shown, "keyboard": chat.keyboard, **state})


def _add_updates(api: Blueprint, telegram: Telegram) -> None:
    @api.post("/updates")
    def raw() -> Json:
        update = json_object().get("update")
        if not isinstance(update, dict):
            abort(refusal('send {"update": a JSON object}'))
        update_id = chosen_bot(telegram).updates.put_raw(update, MESSAGE_LIFETIME_SECONDS)
        return {"update_ids": [update_id], "message_ids": []}

    @api.post("/updates/<int:update_id>/redeliver")
    def redeliver(update_id: int) -> Response:
        if not chosen_bot(telegram).updates.redeliver(update_id):
            return refusal("no such update", 404)
        return jsonify({"update_ids": [update_id], "message_ids": []})

    @api.get("/bot")
    def bot() -> Response:
        chosen = chosen_bot(telegram)
        commands = {f"{scope}/{language}": given for (scope, language), given in chosen.commands.items()}
        texts = {f"{name}/{language}": text for (name, language), text in chosen.texts.items()}
        webhook = chosen.webhook.settings.url if chosen.webhook else ""
        waiting = len(chosen.updates)
        return jsonify(
            {"bot": chosen.json(), "commands": commands, "texts": texts, "webhook": webhook, "waiting_updates": waiting}
        )


def _add_settings(api: Blueprint, telegram: Telegram) -> None:
    @api.get("/settings")
    def read() -> Response:
        settings = telegram.settings
        return jsonify(
            {
                "tokens": sorted(settings.tokens),
                "rate_limit": {"enabled": telegram.pacer.enabled},
                "callback_answer_seconds": settings.callback_answer_seconds,
                "callback_lifetime_seconds": settings.callback_lifetime_seconds,
            }
        )

    @api.put("/settings")
    def change() -> Response:
        body, settings = json_object(), telegram.settings
        if "tokens" in body:
            settings.tokens = frozenset(fingerprint(str(token)) for token in body["tokens"])
        if "rate_limit" in body:
            telegram.pacer.configure(**body["rate_limit"])
        for name in ("callback_answer_seconds", "callback_lifetime_seconds"):
            setattr(settings, name, float(body.get(name, getattr(settings, name))))
        return read()

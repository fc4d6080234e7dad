"""A strict stand-in for the Telegram Bot API, private chats only: refuses what Telegram refuses, in Telegram's words.

What a message may be: `text`, `html_mode`, `keyboard`, `media`, `limits`. What is remembered: `state`, `updates`,
`events`, `files`. The bot's side: `api` and `methods` (`sending`, `editing`, `receiving`, `profile`). People's side:
`control`, `people` and `page`.
"""

from flask import Blueprint

from sandbox.telegram import api, control, fault_kinds, page
from sandbox.telegram.state import Telegram
from sandbox.world import World


def blueprint(world: World) -> Blueprint:
    """The Bot API, its control API and the chat page of one sandbox."""
    telegram = Telegram(world)
    world.faults.declare(fault_kinds.SERVICE, fault_kinds.KINDS)
    world.closers.append(telegram.close)
    routes = Blueprint("telegram", __name__)
    api.add_routes(routes, telegram)
    control.add_routes(routes, telegram)
    page.add_routes(routes)
    return routes

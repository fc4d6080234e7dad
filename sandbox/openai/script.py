"""The script that the stand-in "writes": a video prompt from the request's own words, so that orders differ."""

import json
import re
from typing import Any

from sandbox.openai.checks import texts

MAX_PRODUCT = 240
MAX_DIRECTION = 240
_PRODUCT_LABELS = ("product", "description", "item", "товар", "описание", "продукт")
_DIRECTION_LABELS = ("template", "style", "scene", "instruction", "шаблон", "стиль", "сцена", "инструкция", "пожелания")
_LABELLED = re.compile(r"^[\s*#-]*(?P<label>[\w ]{2,40}?)\s*[:—]\s*(?P<value>\S.*)$", re.MULTILINE)
# What the camera does, by words of the request; the first match wins, the last row always matches.
_SHOTS = (
    (("unbox", "распаков"), "hands lift the lid of a gift box and the product rises out of tissue paper"),
    (("macro", "texture", "макро", "фактур"), "a macro lens glides along the material and its finest details"),
    (("360", "turntable", "вращ", "поворот"), "the product makes one full slow turn on a seamless turntable"),
    (
        ("outdoor", "nature", "street", "природ", "улиц"),
        "morning light outdoors, leaves move gently behind the product",
    ),
    (("lifestyle", "home", "интерьер", "дом", "жизн"), "the product in daily use in a bright, lived-in home"),
    (("", ""), "a clean studio, a slow push-in while a soft key light travels across the product"),
)


def write(body: dict[str, Any]) -> str:
    """The content of the answer: a prompt in English, or JSON around it when the request asks for JSON."""
    prompt = video_prompt(body["messages"])
    wanted = body.get("response_format") or {"type": "text"}
    if wanted["type"] == "json_object":
        return json.dumps({"prompt": prompt}, ensure_ascii=False)
    if wanted["type"] == "json_schema":
        return json.dumps(_filled(wanted["json_schema"]["schema"], prompt), ensure_ascii=False)
    return prompt


def video_prompt(messages: list[dict[str, Any]]) -> str:
    """A vertical-video prompt for the product that checked messages describe, in at most about 900 characters."""
    asked = "\n".join(texts(messages, "user"))
    everything = "\n".join(texts(messages))
    # A labelled product is preferred to the whole text, which may hold prices, notes and other templates.
    product = _labelled(asked, _PRODUCT_LABELS) or _first_words(asked, MAX_PRODUCT) or "the product in the photo"
    direction = _labelled(everything, _DIRECTION_LABELS)
    lines = [
        "Vertical 9:16 product video with sound.",
        f"The hero is {_first_words(product, MAX_PRODUCT)}, exactly as in the photo.",
        f"Direction: {_first_words(direction, MAX_DIRECTION)}." if direction else "",
        f"Scene: {_shot(everything)}.",
        "Keep shape, colours and labels of the product unchanged. No people, no added text, no watermark.",
        "Smooth camera, shallow depth of field, warm and confident mood, soft music that ends on the hero shot.",
    ]
    return " ".join(line for line in lines if line)


def _labelled(text: str, labels: tuple[str, ...]) -> str:
    for match in _LABELLED.finditer(text):
        if any(word in match["label"].lower() for word in labels):
            return match["value"].strip()
    return ""


def _shot(text: str) -> str:
    lower = text.lower()
    return next(shot for words, shot in _SHOTS if any(word in lower for word in words))


def _first_words(text: str, limit: int) -> str:
    flat = " ".join(text.split()).rstrip(".!?…")
    if len(flat) <= limit:
        return flat
    return flat[:limit].rpartition(" ")[0] or flat[:limit]


def _filled(schema: dict[str, Any], prompt: str) -> dict[str, Any]:
    """An object with the prompt in every property that may be a string and a zero value in the others."""
    zeros: dict[str, Any] = {"string": prompt, "integer": 5, "number": 5, "boolean": True, "array": [], "object": {}}
    properties = schema.get("properties") or {"prompt": {"type": "string"}}
    return {name: zeros.get(str(rule.get("type")), prompt) for name, rule in properties.items()}

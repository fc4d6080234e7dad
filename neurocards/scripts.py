"""What GPT is asked for, and the prompt that stands in when GPT can't be asked."""

from neurocards.models import Order

_RULES = (
    "Answer with the prompt alone: one paragraph of English, at most 900 characters, for an image-to-video model "
    "that starts from the photo. "
    "Vertical 9:16, about eight seconds, natural sound. Keep the product exactly as on the photo: shape, colours, label. "
    "No on-screen text, no logos that are not on the photo, no claims about health, prices or competitors. "
    "Describe the scene, the movement of the camera, what happens with the product, light and sound. "
    "If a voice speaks, it says one short line in Russian; write that line in Russian in quotation marks."
)
_INSTRUCTIONS = {
    "ugc": "You write prompts for short videos in the manner of a blogger who shows a product they have just bought: a hand-held phone, "
    "a lived-in room, daylight, honest joy. Faces stay out of the frame: hands and voice only. ",
    "ad": "You write prompts for short advertising spots for a marketplace card: a clean set that suits the product, studio light, "
    "a confident slow camera, one striking detail in close-up, a final shot of the whole product. ",
}
_PLAIN = {
    "ugc": "A hand-held phone video in daylight: hands show the product from the photo, turn it and try it out in a cosy room; "
    "natural sound. The product stays exactly as on the photo. Vertical 9:16. The product: ",
    "ad": "A short advertising spot: the product from the photo on a clean set, soft studio light, slow camera move, "
    "a close-up of a detail, then the whole product; gentle music. The product stays exactly as on the photo. Vertical 9:16. The product: ",
}


def instruction(order: Order) -> str:
    """The system message for an order with a template."""
    return _INSTRUCTIONS[order.template] + _RULES


def product(order: Order) -> str:
    """What the customer said about the product, as the user message."""
    wishes = f"\nWishes of the seller: {order.wishes}" if order.wishes else ""
    return f"Product, in the words of the seller: {order.description}{wishes}"


def plain_prompt(order: Order) -> str:
    """A prompt without GPT's help: the customer's own words, alone or in the setting of the template."""
    if order.template == "own":
        return order.wishes or order.description
    return _PLAIN[order.template] + order.description + (f". {order.wishes}" if order.wishes else "")

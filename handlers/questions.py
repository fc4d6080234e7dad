"""What is asked at each step, and the summary before the launch."""

from handlers.keyboards import count_button, own_words, question_rows
from handlers.states import Draft, Step, open_step
from neurocards.buttons import COUNTS, Press, data
from neurocards.cards import Screen
from neurocards.errors import NotEnoughCredits
from neurocards.orders import price
from neurocards.texts import Html, cut, say

# Long answers are shown from their beginning (UTF-16 units): the person knows the rest.
SHOWN = 300
# Where an earlier answer is worth repeating; chosen buttons carry a mark instead.
_REPEATED = {Step.DESCRIPTION: "description", Step.WISHES: "wishes", Step.PROMPT: "wishes"}


def question(draft: Draft, language: str, balance: int) -> Screen:
    """The draft's open question with its buttons."""
    step = open_step(draft)
    if step is Step.CONFIRM:
        return Screen(_summary(draft, language, balance), question_rows(draft, language))
    text = say("ask-count", language, balance=balance) if step is Step.COUNT else say(f"ask-{step}", language)
    answer = draft.data.get(_REPEATED.get(step, ""), "")
    # Chosen chips carry their own marks.
    words = own_words(answer, language) if step is Step.WISHES else answer
    now = say("answer-now", language, text=cut(words, SHOWN)) if words else ""
    return Screen("\n\n".join(filter(None, (text, now))), question_rows(draft, language))


def _summary(draft: Draft, language: str, balance: int) -> str:
    answers = draft.data
    template = say(f"template-{answers['template']}", language)
    top = say("summary", language, description=cut(answers["description"], SHOWN), template=template)
    words = _words(answers["template"], answers.get("wishes", ""), language)
    return "\n".join((top, words, _price(answers["count"], balance, language)))


def _words(template: str, wishes: str, language: str) -> Html:
    if not wishes:
        return say("summary-no-wishes", language)
    return say("summary-prompt" if template == "own" else "summary-wishes", language, text=cut(wishes, SHOWN))


def _price(count: int, balance: int, language: str) -> Html:
    cost = price(count)
    if cost > balance:
        return say("summary-price-short", language, count=count, price=cost, balance=balance)
    return say("summary-price", language, count=count, price=cost, left=balance - cost)


def not_enough(confirm: Press, short: NotEnoughCredits, language: str, support: str) -> Screen:
    """The order can't be paid: what is missing, whom to write to, and what is affordable now.

    The same `confirm` stands on the retry button: the draft is as it was, so it works after a top-up.
    """
    draft_id = confirm.id
    affordable = [count for count in COUNTS if price(count) <= short.balance]
    text = say("not-enough", language, price=short.price, balance=short.balance, support=support)
    if affordable:
        text = Html(f"{text}\n{say('not-enough-fewer', language)}")
    retry = (say("button-check-again", language), data("run", *confirm.arguments))
    fewer = [[count_button(draft_id, count, language)] for count in affordable]
    back = (say("button-back", language), data("go", draft_id, Step.COUNT))
    return Screen(text, [[retry], *fewer, [back, (say("button-drop", language), data("drop", draft_id))]])

"""Vendors' answers gone wrong, through the real clients: always a sound result or a failure the product knows, and a decision on it."""

import base64
import math
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import stamina
from telebot import apihelper

from neurocards.classifiers import classify
from neurocards.clients import telegram
from neurocards.clients.kie import Kie, TaskRecord
from neurocards.clients.openai import Gpt
from neurocards.errors import BadPhoto, BadVideo, NeurocardsError, ProviderError
from neurocards.media import Video, fetch_result
from neurocards.policies import Decision, Situation, policy_for
from reliability.fuzz.answering import Answering
from reliability.fuzz.answers import answer
from reliability.fuzz.findings import Findings, Stopwatch, Tally
from reliability.fuzz.mutations import seeded

TOKEN = "1234567:" + "A" * 35  # of nobody's bot
MOST_SECONDS = 5.0
LONGEST_DELAY = 3600.0
Ask = Callable[["Vendors"], object]


class Vendors:
    """The clients, pointed at the one that answers."""

    def __init__(self, answering: Answering, folder: Path) -> None:
        self.kie = Kie(answering.url, answering.url)
        self.gpt = Gpt(f"{answering.url}/v1", "sk-fuzz", "gpt-4o")
        self.bot = telegram.connect(TOKEN, answering.url)
        self.telegram = telegram.Telegram(self.bot)
        self.url = f"{answering.url}/result.mp4"
        self.file = folder / "fetched.mp4"
        self.clip = folder / "clip.mp4"
        self.clip.write_bytes(b"a clip")


def _updates(vendors: Vendors) -> object:
    found = telegram.get_updates(vendors.bot, 0, 0)
    return all(isinstance(update["update_id"], int) and 0 <= update["update_id"] < 2**63 for update in found)


def _result(vendors: Vendors) -> object:
    fetch_result(vendors.url, vendors.file, seconds=MOST_SECONDS, allow_private=True)
    return vendors.file.stat().st_size > 0


def _video(vendors: Vendors) -> object:
    sent = vendors.telegram.send_video(7, vendors.clip, Video(9, 16, 5.0, b"jpeg"), "т", [])
    return _is_id(sent.message_id) and storable(sent.file_id)


def _is_id(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63


def storable(value: object) -> bool:
    """Whether PostgreSQL takes it as a text."""
    return isinstance(value, str) and "\0" not in value and value == value.encode(errors="ignore").decode()


def _recorded(record: TaskRecord) -> bool:
    texts = (record.result_url, record.callback_url)
    known = (
        record.state == "pending"
        or (record.state == "success" and record.result_url is not None)
        or record.error is not None
    )
    return (
        known
        and all(text is None or storable(text) for text in texts)
        and (record.error is None or _sound_failure(record.error))
    )


# Each asks, and says whether what came back is what the product may go on with.
ASKS: dict[str, Ask] = {
    "upload": lambda vendors: storable(vendors.kie.upload("k", b"jpeg")),
    "create": lambda vendors: storable(vendors.kie.create_task("k", "bytedance/seedance-1.5-pro", "https://x.example/a.jpg", "p", None)),
    "record": lambda vendors: _recorded(vendors.kie.record("k", "t1")),
    "credit": lambda vendors: math.isfinite(vendors.kie.credit("k")),
    "script": lambda vendors: storable(vendors.gpt.write("i", "p", b"jpeg")),
    "updates": _updates,
    "text": lambda vendors: _is_id(vendors.telegram.send_text(7, "т", [])),
    "edit": lambda vendors: vendors.telegram.edit_text(7, 5, "т", []) is None,  # type: ignore[func-returns-value]
    "video": _video,
    "download": lambda vendors: bool(isinstance(telegram.download_file(vendors.bot, "A", 1000), bytes)),
    # Whatever comes of it, nothing hangs on it.
    "button": lambda vendors: telegram.translated(vendors.bot.answer_callback_query, "1", "т") or True,
    "result": _result,
}  # fmt: skip


def _sound_failure(error: ProviderError) -> bool:
    texts = (error.text, error.fail_code or "", str(error))
    numbers = (error.http_status, error.body_code)
    wait = error.retry_after
    return (
        all(storable(text) and len(text) <= 700 for text in texts)
        and all(number is None or abs(number) < 2**31 for number in numbers)
        and (wait is None or (math.isfinite(wait) and wait >= 0))
    )


def decided(error: NeurocardsError) -> Decision:
    """What follows from a failure, in several situations. Raises AssertionError for a decision that is none."""
    failure = classify(error)
    policy = policy_for(failure.category)
    for attempts in (0, 1, 2, 3, 99):
        for submitted in (False, True):
            decision = policy.decide(
                failure, Situation(attempts, submitted, key_left=bool(attempts % 2), next_model=None)
            )
            if not (decision.action and 0 <= decision.delay <= LONGEST_DELAY):
                raise AssertionError(f"no decision: {decision}")
    return decision


def ask(name: str, vendors: Vendors) -> str:
    """Makes one call; what came of it in a word. Raises whatever should not have been raised."""
    try:
        if not ASKS[name](vendors):
            raise AssertionError("a result that can't be gone on with")
    except ProviderError as error:
        if not _sound_failure(error):
            raise AssertionError(f"a failure that can't be kept: {error!r}"[:500]) from error
        return decided(error).action
    except BadVideo as error:
        return decided(error).action
    except BadPhoto:
        return "refused"
    return "good"


def fuzz_bodies(count: int, findings: Findings) -> Tally:
    """`count` answers to calls of every kind."""
    tally, watch = Tally(), Stopwatch()
    with (
        tempfile.TemporaryDirectory(prefix="neurocards-fuzz-") as folder,
        _vendors(Path(folder)) as (answering, vendors),
    ):
        for number in range(count):
            dice = seeded(findings.seed, "bodies", number)
            name = dice.choice(list(ASKS))
            answers = [answer(dice, name)] if name != "download" else [answer(dice, name), answer(dice, "result")]
            answering.says(*answers)
            _one(name, answers, vendors, findings, tally)
    tally.counts["seconds"] = round(watch.seconds)
    return tally


@contextmanager
def _vendors(folder: Path) -> Iterator[tuple[Answering, Vendors]]:
    flood_wait, pace = telegram.MAX_FLOOD_WAIT, telegram.SENDS_PER_SECOND
    # The waits between tries are left out, not the tries.
    stamina.set_testing(True, attempts=3, cap=True)
    stamina.instrumentation.set_on_retry_hooks([])
    apihelper.LONG_POLLING_TIMEOUT = 0
    telegram.MAX_FLOOD_WAIT, telegram.SENDS_PER_SECOND = -1, 100_000
    try:
        with Answering() as answering:
            yield answering, Vendors(answering, folder)
    finally:
        stamina.set_testing(False)
        stamina.instrumentation.set_on_retry_hooks(None)
        telegram.MAX_FLOOD_WAIT, telegram.SENDS_PER_SECOND = flood_wait, pace


def _one(name: str, answers: list[bytes], vendors: Vendors, findings: Findings, tally: Tally) -> None:
    case = {"name": name, "answers": [base64.b64encode(answer).decode() for answer in answers]}
    began = time.process_time()
    try:
        tally.counts[ask(name, vendors)] += 1
    except AssertionError as broken:
        findings.add("bodies", tally, "violations", f"{name}: {broken}", case)
    except Exception:  # noqa: BLE001  what this program looks for
        findings.add("bodies", tally, "unhandled", f"{name}\n{traceback.format_exc()}", case)
    seconds = time.process_time() - began
    tally.counts["slowest_ms"] = max(tally.counts["slowest_ms"], round(seconds * 1000))
    if seconds > MOST_SECONDS:
        findings.add("bodies", tally, "slow", f"{name}: {seconds:.1f} s", case)


def replay_body(case: dict[str, Any]) -> dict[str, Any]:
    """Gives the answers of a finding again."""
    with (
        tempfile.TemporaryDirectory(prefix="neurocards-fuzz-") as folder,
        _vendors(Path(folder)) as (answering, vendors),
    ):
        answering.says(*(base64.b64decode(answer) for answer in case["answers"]))
        return {"came": ask(case["name"], vendors)}

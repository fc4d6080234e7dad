"""A batch of examples in one process, on a database of its own: what is run side by side, and what a seed replays."""

import atexit
import gc
import logging
import traceback
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from reliability.stateful import books
from reliability.stateful.elapsing import Elapsing
from reliability.stateful.people import People
from reliability.stateful.scratch import make_worker, scratch_database
from reliability.stateful.workers import Workers

STEPS_AN_EXAMPLE = 150


class Neurocards(People, Workers, Elapsing):
    """Everything that can happen to credits and jobs."""


@dataclass
class Tally:
    """What a batch did; `failure` has the shrunk example if there was one."""

    seed: int = 0
    examples: int = 0
    rules: Counter[str] = field(default_factory=Counter)
    failure: str = ""


_undo = ExitStack()


def begin(server: str) -> None:
    """Makes this process's database, which is dropped when the process ends."""
    atexit.register(_undo.close)
    logging.disable(logging.CRITICAL)  # what the product would log of crashes that are meant to happen
    _undo.enter_context(scratch_database(server, connections=2))
    books.make_function()
    Neurocards.template = make_worker("template")
    gc.freeze()  # libraries and settings stay: the collector need not look at them again


def play(number: int, examples: int, shrink: bool) -> Tally:
    """Plays examples drawn from the seed `number`; one that fails is made shorter, for up to five minutes, if it should."""
    Neurocards.counted, Neurocards.examples = Counter(), 0
    chosen = settings(
        max_examples=examples, stateful_step_count=STEPS_AN_EXAMPLE, deadline=None, database=None,
        suppress_health_check=list(HealthCheck), phases=(Phase.generate, *([Phase.shrink] if shrink else [])), report_multiple_bugs=False,
    )  # fmt: skip
    failure = ""
    try:
        run_state_machine_as_test(seed(number)(Neurocards), settings=chosen)
    except BaseException as error:  # noqa: BLE001  the process's edge: a failed step is a result, whatever it raised
        failure = "".join(traceback.format_exception(error))
    return Tally(number, Neurocards.examples, Neurocards.counted, failure)

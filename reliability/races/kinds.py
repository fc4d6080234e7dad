"""The kinds of races by name."""

from collections.abc import Callable
from functools import partial

from neurocards import jobs
from reliability.races import lives, orders_and_rows
from reliability.races.arena import Race
from reliability.races.shop import Shop

KINDS: dict[str, Callable[[Shop], Race]] = {
    "same_confirm": orders_and_rows.same_confirm,
    "crowded_confirm": orders_and_rows.crowded_confirm,
    "rival_confirms": orders_and_rows.rival_confirms,
    "take_back": orders_and_rows.take_back,
    "same_payment": orders_and_rows.same_payment,
    **{f"take_up_{stage}": partial(lives.same_job, stage) for stage in jobs.STAGES},
    **{f"late_write_{stage}": partial(lives.late_write, stage) for stage in jobs.STAGES},
    "queued_job": lives.queued_job,
    "script_job": lives.script_job,
    "lost_answer": lives.lost_answer,
    "refused_task": lives.refused_task,
    "accepted_task": lives.accepted_task,
    "finished_render": lives.finished_render,
    "delivery": lives.delivery,
    "failed_delivery": lives.failed_delivery,
    "dropped_claim": lives.dropped_claim,
    "couriers": orders_and_rows.couriers,
    "redrawn_card": orders_and_rows.redrawn_card,
}

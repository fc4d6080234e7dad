"""What each process counts: the names, the labels, and the buckets. `neurocards.samples` adds the processes' figures up.

Labels take few values, all known beforehand: never the id of anything. Durations of the product (stages, whole jobs) are in its own
seconds, as TIME_SCALE has them; those of machines (requests, answers) in real ones. A histogram whose buckets change gets
another name: what was counted into the old ones can't be sorted into the new.
"""

from prometheus_client import CollectorRegistry, Counter, Histogram

REGISTRY = CollectorRegistry()

_MINUTES = (0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 240, 360, 480, 600, 900, 1200, 1800, 2700, 3600)
_ANSWERS = (0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_REQUESTS = (0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120)

ORDERS = Counter("neurocards_orders", "Orders confirmed.", ["template"], registry=REGISTRY)
VIDEOS = Counter("neurocards_videos_ordered", "Videos in the orders confirmed.", registry=REGISTRY)
FINISHED = Counter(
    "neurocards_jobs_finished",
    "Jobs that ended, and why those that failed did.",
    ["outcome", "category"],
    registry=REGISTRY,
)
STAGES = Histogram(
    "neurocards_stage_seconds",
    "How long jobs were in a stage before they went on.",
    ["stage"],
    buckets=_MINUTES,
    registry=REGISTRY,
)
DELIVERED = Histogram(
    "neurocards_delivery_seconds", "From the confirm to the video in the chat.", buckets=_MINUTES, registry=REGISTRY
)
ATTEMPTS = Counter(
    "neurocards_provider_attempts",
    "What came of asking a provider for a job's sake: OK or a failure's category.",
    ["provider", "category"],
    registry=REGISTRY,
)
LOST_REPLIES = Counter(
    "neurocards_lost_replies", "Requests for a video of which nobody knows whether they were taken.", registry=REGISTRY
)
# Why a job was taken back: its worker fell silent, was at it too long, or let go of it and could not say how it went (such as
# while PostgreSQL was away).
RECLAIM_REASONS = ("died", "hung", "unsettled")
RECLAIMS = Counter("neurocards_reclaims", "Jobs taken back from a worker, and why.", ["reason"], registry=REGISTRY)
REQUESTS = Counter(
    "neurocards_provider_requests",
    "HTTP requests by the class of their answer's status; none: there was no answer.",
    ["provider", "call", "status"],
    registry=REGISTRY,
)
LATENCY = Histogram(
    "neurocards_provider_request_seconds",
    "How long HTTP requests took, answered or not.",
    ["provider", "call"],
    buckets=_REQUESTS,
    registry=REGISTRY,
)
UPDATES = Counter("neurocards_updates", "Updates from Telegram by what became of them.", ["outcome"], registry=REGISTRY)
ANSWERS = Histogram(
    "neurocards_bot_answer_seconds",
    "From storing an update to having answered it.",
    buckets=_ANSWERS,
    registry=REGISTRY,
)


def begin_at_zero(categories: tuple[str, ...]) -> None:
    """Shows what has not happened yet as 0: a rate can't see the first time of a series that was not there before."""
    for template in ("ugc", "ad", "own"):
        ORDERS.labels(template)
    for outcome in ("done", "cancelled"):
        FINISHED.labels(outcome, "none")
    for category in categories:
        FINISHED.labels("failed", category)
    for provider in ("kie", "openai", "telegram"):
        for category in ("OK", *categories):
            ATTEMPTS.labels(provider, category)
    for reason in RECLAIM_REASONS:
        RECLAIMS.labels(reason)
    for stage in ("queued", "script", "submit", "render", "deliver"):
        STAGES.labels(stage)
    for outcome in ("answered", "refused", "set_aside"):
        UPDATES.labels(outcome)


def requested(provider: str, call: str, status: int | None, seconds: float) -> None:
    """One HTTP request; `status` is None when no answer came."""
    REQUESTS.labels(provider, call, f"{status // 100}xx" if status else "none").inc()
    LATENCY.labels(provider, call).observe(seconds)


def moved(start: str, to: str, category: str, in_stage: float, in_all: float) -> None:
    """A job left state `start`, after `in_stage` seconds there and `in_all` since its order."""
    if to in ("done", "failed", "cancelled"):
        FINISHED.labels(to, category or "none").inc()
    if to == "done":
        DELIVERED.observe(in_all)
    if start != "new" and to not in (start, "failed", "cancelled"):
        STAGES.labels(start).observe(in_stage)

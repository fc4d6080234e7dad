"""What strikes a rehearsed system, and when: a schedule that depends on its seed alone, so that a failing run can be replayed."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

# Faults of the vendors: service, endpoint, what happens, and its parameters (docs/sandbox.md).
VENDORS: dict[str, tuple[str, str, str, dict[str, Any]]] = {
    "kie_lost_reply": ("kie", "createTask", "lost_reply", {}),
    "kie_false_error": ("kie", "createTask", "false_error", {"code": 500}),
    "kie_500": ("kie", "createTask", "code", {"code": 500}),
    "kie_429": ("kie", "createTask", "code", {"code": 429, "msg": "Your call frequency is too high.", "http_status": 429}),
    "kie_455": ("kie", "createTask", "code", {"code": 455, "msg": "Service unavailable: system maintenance"}),
    "kie_hang": ("kie", "createTask", "hang", {"seconds": 2}),
    "kie_truncate": ("kie", "createTask", "truncate", {}),
    "kie_fail": ("kie", "createTask", "fail", {}),
    "kie_callback_late": ("kie", "createTask", "callback_late", {"seconds": 90}),
    "kie_callback_twice": ("kie", "createTask", "callback_duplicate", {"copies": 3}),
    "kie_callback_lost": ("kie", "createTask", "callback_lost", {}),
    "kie_record_reset": ("kie", "recordInfo", "reset", {}),
    "kie_record_truncate": ("kie", "recordInfo", "truncate", {}),
    "kie_upload_lost": ("kie", "file-stream-upload", "lost_reply", {}),
    "kie_file_truncate": ("kie", "files", "truncate", {}),
    "kie_slow": ("kie", "*", "slow", {"seconds": 3}),
    "telegram_flood": ("telegram", "*", "flood", {"retry_after": 1}),
    "telegram_500": ("telegram", "*", "internal", {}),
    "telegram_bad_gateway": ("telegram", "*", "bad_gateway", {}),
    "telegram_lost_reply": ("telegram", "*", "lost_reply", {}),
    "telegram_video_flood": ("telegram", "sendVideo", "flood", {"retry_after": 1}),
    "telegram_slow": ("telegram", "*", "slow", {"seconds": 3}),
    "telegram_video_lost_reply": ("telegram", "sendVideo", "lost_reply", {}),
    "telegram_video_hang": ("telegram", "sendVideo", "hang", {"seconds": 2}),
    "telegram_updates_twice": ("telegram", "getUpdates", "duplicate_update", {}),
    "telegram_updates_conflict": ("telegram", "getUpdates", "conflict", {}),
    "telegram_updates_bad_gateway": ("telegram", "getUpdates", "bad_gateway", {}),
    "openai_error": ("openai", "*", "error", {"row": "server_error"}),
    "openai_truncate": ("openai", "*", "truncate", {}),
}  # fmt: skip
# What we do ourselves, mostly to our own side, and how often in one round; each of the vendors' faults is there once.
OURS = {
    "kill_worker": 7,
    "kill_bot": 4,
    "kill_valkey": 2,
    "flush_valkey": 2,
    "crash_postgres": 3,
    "freeze_worker": 2,
    "freeze_bot": 1,
    "second_bot": 1,
    "key_refused": 1,
    "key_penniless": 1,
    "forge_noise": 1,
    "forge_nonce": 2,
    "replay_callback": 2,
}
# What lasts, lasts this long (real seconds, least and most): a worker that sleeps so long is taken for dead, and then wakes up.
LASTS = (10.0, 40.0)


@dataclass(frozen=True)
class Fault:
    """`kind` strikes `after` real seconds since the one before; `pick` chooses among what there is to strike.

    `lasts` is how long, in real seconds, for what isn't over at once.
    """

    after: float
    kind: str
    pick: int
    lasts: float


def schedule(seed: int) -> Iterator[Fault]:
    """The faults of a seed, without end. In rounds, ours and the vendors' by turns: a short run has some of each too."""
    rng = random.Random(seed)  # noqa: S311  a replay is wanted, not a secret
    while True:
        ours, vendors = [kind for kind, times in OURS.items() for _ in range(times)], list(VENDORS)
        rng.shuffle(ours)
        rng.shuffle(vendors)
        for kind in (kind for pair in zip_longest(ours, vendors) for kind in pair if kind):
            yield Fault(rng.uniform(0.5, 3.0), kind, rng.randrange(1 << 30), rng.uniform(*LASTS))

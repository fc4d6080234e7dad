"""What an operator sees of an order: its figures in `/metrics`, and its story in the logs, joined by ids."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from sandbox.local import Local
from tests.acceptance.conftest import ask, eventually, start

WORKERS = 3


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the log files."""
    return tmp_path_factory.mktemp("logs")


@pytest.fixture(scope="module")
def system(tmp_path_factory, database_server: str, redis_url: str, logs: Path) -> Iterator[Local]:
    """A system of one worker instance with several processes, that writes log files."""
    options = ("--processes", str(WORKERS), "--threads", "1")
    yield from start(
        tmp_path_factory.mktemp("operating"), database_server, redis_url, options, LOG_DIR=str(logs), TIME_SCALE="50"
    )


def figures(system: Local) -> dict[str, float]:
    """Every sample of `/metrics`, labels as they stand in the text."""
    answer = requests.get(f"http://127.0.0.1:{system.port}/metrics", timeout=10)
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    return {
        sample.name + "".join(f" {value}" for _, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def lines(folder: Path) -> list[dict]:
    """All lines of all log files."""
    return [json.loads(line) for path in folder.glob("*.log") for line in path.read_text().splitlines()]


def test_an_order_moves_the_figures_of_all_processes(system, client, anna):
    # Given figures in which everything before has come to rest
    eventually(lambda: at_rest(system), 15)
    before = figures(system)
    # When five videos are delivered by several processes
    anna.order(count=5)
    anna.user.wait(lambda _: sum(shown.kind == "video" for shown in anna.user.chat()) == 5, 60)
    # Then within a beat /metrics counts each once, whoever did what
    eventually(lambda: at_rest(system), 15)
    after = {name: value - before.get(name, 0.0) for name, value in figures(system).items()}
    assert after["neurocards_orders_total ugc"] == 1
    assert after["neurocards_videos_ordered_total"] == 5
    assert after["neurocards_jobs_finished_total none done"] == 5
    assert after["neurocards_provider_attempts_total OK kie"] == 5
    assert after["neurocards_provider_requests_total createTask kie 2xx"] == 5
    for stage in ("queued", "script", "submit", "render", "deliver"):
        assert after[f"neurocards_stage_seconds_count {stage}"] == 5
    # A render of 150 s, and what a rehearsal at this pace adds
    assert after["neurocards_stage_seconds_sum render"] / 5 > 100
    assert after["neurocards_bot_answer_seconds_count"] == after["neurocards_updates_total answered"] > 3


def at_rest(system: Local) -> bool:
    """Whether all that is in the books has been counted, by every process."""
    now = figures(system)
    [books] = ask(
        system.environment["DATABASE_URL"],
        """SELECT (SELECT count(*) FROM jobs WHERE status = 'done') AS done, (SELECT count(*) FROM orders) AS orders,
            (SELECT count(*) FROM provider_attempts WHERE state = 'succeeded') AS rendered,
            (SELECT count(*) FROM inbox WHERE handled_at IS NOT NULL) AS answered""",
    )
    counted = {
        "done": now["neurocards_jobs_finished_total none done"],
        "orders": now["neurocards_orders_total ugc"],
        "rendered": now["neurocards_provider_attempts_total OK kie"],
        "answered": now["neurocards_updates_total answered"],
    }
    return counted == books


def test_the_processes_of_one_instance_are_counted(system):
    # When each process has had the time to beat
    eventually(lambda: figures(system)["neurocards_worker_processes"] == WORKERS)
    # Then they are one instance
    assert figures(system)["neurocards_worker_instances"] == 1


def test_an_orders_story_is_found_in_the_logs_by_its_ids(system, anna, rows, logs):
    # When a video is delivered
    anna.order()
    anna.video(60)
    [job] = rows("SELECT id, order_id FROM jobs WHERE user_id = %s", anna.user.id)
    eventually(lambda: any(line.get("job_id") == job["id"] and "> done" in line["event"] for line in lines(logs)))
    written = lines(logs)
    # Then one id finds all of its moves, whoever made them
    moves = [
        line["event"].split(": ")[1] for line in written if line.get("job_id") == job["id"] and " > " in line["event"]
    ]
    assert set(moves) >= {
        "new > queued", "queued > script", "script > submit", "submit > render", "render > deliver", "deliver > done",
    }  # fmt: skip
    # And the update that was the confirm joins the bot's lines and the workers'
    [ordered] = [line for line in written if line.get("job_id") == job["id"] and "new > queued" in line["event"]]
    assert ordered["process"] == "bot"
    joined = [line for line in written if line.get("update_id") == ordered["update_id"]]
    assert {line["process"].split("-")[0] for line in joined} == {"bot", "worker"}
    assert {line["job_id"] for line in joined if "job_id" in line} == {job["id"]}


def test_each_process_has_a_log_file_of_its_own(system, logs):
    # Given one instance of several processes: all three have something to say when they start
    eventually(lambda: len(list(logs.glob("worker-1*.log"))) == WORKERS)
    for path in logs.glob("*.log"):
        assert {json.loads(line)["process"] for line in path.read_text().splitlines()} == {path.stem}


def test_the_last_figures_of_processes_that_end_in_order_are_kept(system, anna):
    # Given a video that was delivered this moment
    anna.order()
    anna.video(60)
    anna.user.wait("готов за")
    # When bot and workers stop at once and start again
    for child in ("run_bot", "run_workers"):
        system.child(child).stop()
    for child in ("run_bot", "run_workers"):
        system.child(child).start()
    eventually(lambda: reachable(system), 30)
    # Then nothing is missing, and nothing has begun anew
    eventually(lambda: at_rest(system), 15)


def reachable(system: Local) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{system.port}/readyz", timeout=2).ok
    except requests.RequestException:
        return False

"""The journal: what tests of the product rely on when they match its ledger against what the providers saw."""

import hashlib
import json
import threading
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from sandbox.journal import MAX_TEXT, Journal, fingerprint, summarise
from sandbox.server import Sandbox


def write(journal: Journal, service: str = "kie", endpoint: str = "createTask", **more: Any) -> int:
    given_anyway = {"caller": "-", "request": {}, "status": 200, "response": {}}
    return journal.record(service, endpoint, **{**given_anyway, **more})


def test_entries_are_numbered_in_order_and_can_be_narrowed() -> None:
    # Given calls of two services
    journal = Journal()
    first = write(journal)
    write(journal, "telegram", "sendMessage")
    last = write(journal, "kie", "recordInfo")

    # When they are read back in different ways
    everything = journal.entries()
    later = journal.entries(after=first)
    of_kie = journal.entries(service="kie")
    of_one_endpoint = journal.entries(service="telegram", endpoint="SENDMESSAGE")

    # Then each view holds what it names, in order
    assert [entry["n"] for entry in everything] == [first, first + 1, last] == [1, 2, 3]
    assert [entry["n"] for entry in later] == [2, 3]
    assert [entry["endpoint"] for entry in of_kie] == ["createTask", "recordInfo"]
    assert [entry["n"] for entry in of_one_endpoint] == [2]


def test_big_values_are_replaced_by_length_and_digest() -> None:
    # Given a request with a photo, raw and as a long text, deep inside
    photo, text = b"\xff\xd8" * 5_000, "a" * (MAX_TEXT + 1)

    # When it is summarised
    summary = summarise({"parts": [{"photo": photo}, {"url": text}], "short": "kept"})

    # Then only lengths and digests are left of the big ones
    assert summary["parts"][0]["photo"] == {"bytes": 10_000, "sha256": hashlib.sha256(photo).hexdigest()[:8]}
    assert summary["parts"][1]["url"]["bytes"] == MAX_TEXT + 1
    assert summary["short"] == "kept"


@given(extra=st.integers(0, 300), most=st.integers(10, 120))
def test_memory_is_bounded_and_numbers_go_on(extra: int, most: int) -> None:
    # Given a journal with little room
    journal = Journal(max_entries=most)

    # When more is written than it holds
    for _ in range(most + extra):
        write(journal)

    # Then it keeps the newest ones, without a gap, and never more than its room
    numbers = [entry["n"] for entry in journal.entries()]
    assert len(numbers) <= most
    assert numbers == list(range(numbers[0], most + extra + 1))
    assert journal.entries(after=most + extra - 1)[0]["n"] == most + extra


def test_waiting_ends_with_the_first_matching_entry() -> None:
    # Given somebody who waits for a callback
    journal = Journal()
    found: list[Any] = []
    waiter = threading.Thread(target=lambda: found.extend(journal.wait(0, 10, "kie", "callback")))
    waiter.start()

    # When something else and then the callback is written
    write(journal)
    write(journal, "kie", "callback")
    waiter.join(5)

    # Then the wait is over, with the callback alone
    assert not waiter.is_alive()
    assert [entry["endpoint"] for entry in found] == ["callback"]


def test_waiting_in_vain_ends_at_its_time_or_when_the_journal_closes() -> None:
    # Given a journal to which nobody writes
    journal = Journal()

    # When one waits for a moment, and another for long while it is closed
    in_vain = journal.wait(0, 0.01)
    waiter = threading.Thread(target=lambda: journal.wait(0, 60))
    waiter.start()
    journal.close()
    waiter.join(5)

    # Then both leave
    assert in_vain == []
    assert not waiter.is_alive()


def test_the_file_holds_the_same_entries(tmp_path: Path) -> None:
    # Given a journal that also writes a file
    journal = Journal(tmp_path / "journal.jsonl")

    # When it is written to and closed
    write(journal, request={"prompt": "кофе"}, note="fault reset")
    write(journal, status=402)
    journal.close()

    # Then each line is an entry
    lines = (tmp_path / "journal.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == journal.entries()


def test_a_note_of_the_thread_is_added_to_what_it_records() -> None:
    # Given a transport fault that spoils the calls of this thread
    journal = Journal()

    # When something is recorded within and after
    with journal.noting("fault lost_reply"):
        write(journal, note="made 1")
    write(journal)

    # Then only the first carries the note
    assert [entry["note"] for entry in journal.entries()] == ["made 1; fault lost_reply", ""]


def test_over_http_a_wait_sees_a_call_made_meanwhile_and_no_key(tmp_path: Path) -> None:
    # Given a running sandbox with a journal file
    with Sandbox(journal_file=tmp_path / "journal.jsonl") as sandbox, requests.Session() as session:
        answers: list[Any] = []
        url = f"{sandbox.url}/sandbox/journal?service=kie&wait=10"
        waiter = threading.Thread(target=lambda: answers.append(requests.get(url, timeout=20).json()))
        waiter.start()

        # When KIE is called with a key
        session.get(f"{sandbox.url}/api/v1/chat/credit", headers={"Authorization": "Bearer top-secret"}, timeout=5)
        waiter.join(10)

    # Then the wait shows the call, by the key's fingerprint only
    entry = answers[0]["entries"][0]
    assert (entry["endpoint"], entry["status"], entry["caller"]) == ("credit", 200, fingerprint("top-secret"))
    assert "top-secret" not in (tmp_path / "journal.jsonl").read_text()


def test_a_waiting_reader_does_not_keep_the_sandbox_from_stopping() -> None:
    # Given a reader in a long wait
    sandbox = Sandbox().start()
    answered = threading.Event()

    def read() -> None:
        with pytest.raises(requests.ConnectionError):
            requests.get(f"{sandbox.url}/sandbox/journal?wait=60", timeout=90)
        answered.set()

    reader = threading.Thread(target=read)
    reader.start()

    # When the sandbox stops
    sandbox.stop()

    # Then the reader's connection ends
    assert answered.wait(5)
    reader.join(5)

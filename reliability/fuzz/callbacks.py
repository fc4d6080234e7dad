"""Forged callbacks, byte for byte, at the bot's real HTTP server: never a 500, and nothing changes but when a job is looked at."""

import base64
import importlib
import logging
import re
import socket
import threading
import time
from contextlib import closing
from random import Random
from typing import Any

from neurocards import web
from reliability.fuzz.findings import Findings, Stopwatch, Tally, Tracebacks
from reliability.fuzz.mutations import WORDS, encoded, hostile, mutated, seeded
from reliability.fuzz.system import System, rows

# It comes without types.
waitress: Any = importlib.import_module("waitress")

BATCH = 100
MOST_SECONDS = 2.0
PATIENCE = 10.0
DATA = {"taskId": "t", "state": "success", "resultJson": '{"resultUrls":["https://x.example/v.mp4"]}', "failCode": None}
BODY = {"code": 200, "msg": "success", "data": DATA}
METHODS = (
    *(b"POST",) * 12,
    b"GET",
    b"PUT",
    b"DELETE",
    b"HEAD",
    b"OPTIONS",
    b"PATCH",
    b"TRACE",
    b"CONNECT",
    b"post",
    b"\xff",
    b"",
)
TYPES = (
    *(b"application/json",) * 4, b"", b"text/plain", b"application/x-www-form-urlencoded", b"multipart/form-data; boundary=x",
    b"application/json; charset=utf-99",
)  # fmt: skip
PATHS = (
    b"/kie/callback/", b"/kie/callback", b"/kie/callback//", b"/KIE/callback/", b"/kie/callback/../../queue_stats", b"//kie/callback/x",
    b"/", b"/healthz", b"/readyz", b"/queue_stats", b"/static/../x", b"/%2e%2e/%00", b"*", b"http://other.example/kie/callback/x",
    b"/kie/callback/x/y", b"/kie/callback/x?nonce=y", b"?",
)  # fmt: skip
RUBBISH = (
    b"", b"{", b"\xff\xfe{\0", b"[" * 50_000, b"x" * (web.MAX_BODY + 1), b"a=1&b=2", b"--x\r\n\r\n--x--", b"{}" * 1000, b"\0" * 1000,
)  # fmt: skip
HEADERS = (
    b"", b"", b"", b"Transfer-Encoding: chunked\r\n", b"Expect: 100-continue\r\n", b"Content-Encoding: gzip\r\n", b"Host: [::1\r\n",
    b"X-Forwarded-For: 127.0.0.1\r\n", b": x\r\n", b"X" * 300_000 + b": y\r\n",
)  # fmt: skip

_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")
_NONCES = "SELECT nonce FROM provider_attempts ORDER BY id"
# What a hint may change is left out: when a job is looked at next.
_BUT_FOR_HINTS = """SELECT
    (SELECT md5(string_agg((to_jsonb(t) - '{due_at,woken_at}'::text[])::text, ',' ORDER BY id)) FROM jobs t),
    (SELECT md5(string_agg(t::text, ',' ORDER BY id)) FROM provider_attempts t),
    (SELECT md5(string_agg(t::text, ',' ORDER BY id)) FROM ledger_entries t)"""


def _nonce(dice: Random, known: str) -> bytes:
    """A nonce that is none, most of them nearly one."""
    place = dice.randrange(len(known))
    near = (
        known[:place], known[:place] + "A" + known[place:], known + "%00", known + "%20", "%20" + known, known + "/", known.swapcase(),
        known[::-1], known + "x" * 40, known.replace(known[place], "%"), known[:-1] + "%2", known + "'--", known + "\\", known + "%0a",
    )  # fmt: skip
    far = (
        "%ff%fe",
        "%ed%a0%80",
        "%00",
        "." * 5,
        "a" * 70_000,
        "%" * 30,
        "' OR 1=1--",
        "*",
        "null",
        "0",
        dice.choice(WORDS)[:200],
    )
    forged = dice.choice(near if dice.random() < 0.6 else far)
    return b"x" if forged == known else _in_a_line(forged.replace(" ", "%20")) or b"x"


def _in_a_line(text: str) -> bytes:
    return text.encode(errors="replace").replace(b"\r", b"").replace(b"\n", b"")


def _body(dice: Random) -> bytes:
    kind = dice.random()
    if kind < 0.7:
        return encoded(mutated(BODY, dice, dice.choice((0, 1, 1, 2, 5))), dice).encode(errors="replace")
    if kind < 0.9:
        return encoded(hostile(dice), dice).encode(errors="replace")
    return dice.choice(RUBBISH)


def forged(dice: Random, known: str, ours: bool) -> bytes:
    """A whole request; `ours`: with the real nonce, and the rest in order."""
    body = _body(dice)
    target = b"/kie/callback/" + (known.encode() if ours else _nonce(dice, known))
    if not ours and dice.random() < 0.15:
        target = dice.choice(PATHS)
    method = b"POST" if ours else dice.choice(METHODS)
    length: bytes = b"%d" % len(body)
    if not ours and dice.random() < 0.06:
        length = dice.choice((b"0", b"-1", b"x", b"9" * 30, b"%d" % (len(body) + 9), b"%d" % (len(body) // 2), b"+1"))
    odd = dice.choice((*HEADERS, b"X-A: " + _in_a_line(dice.choice(WORDS)[:100]) + b"\r\n"))
    head = b"%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: %s\r\nContent-Length: %s\r\n%s\r\n"
    return head % (method, target, dice.choice(TYPES), length, b"" if ours else odd) + body


class Door:
    """The bot's HTTP server on a port of its own."""

    def __init__(self, system: System) -> None:
        self._server = waitress.create_server(web.create(system.settings), host="127.0.0.1", port=0, threads=4)
        threading.Thread(target=self._server.run, name="http", daemon=True).start()

    def ask(self, request: bytes) -> int:
        """The status of the answer; 0 when the server hung up without one."""
        with closing(socket.create_connection(("127.0.0.1", self._server.effective_port), PATIENCE)) as connection:
            answer = b""
            try:
                connection.sendall(request)
                connection.shutdown(socket.SHUT_WR)
                while piece := connection.recv(65536):
                    answer += piece
            except OSError:
                # It need not listen to the end of what it refuses.
                pass
        # The last: "100 Continue" is only on the way.
        return int((_STATUS.findall(answer) or [b"0"])[-1])

    def close(self) -> None:
        """Stops listening."""
        self._server.close()


class CallbackFuzz:
    """Forged requests in batches; in one batch of ten the nonce is right and the rest is rubbish."""

    def __init__(self, system: System, findings: Findings) -> None:
        self._system, self._findings, self.tally = system, findings, Tally()
        self._last = b""
        intake = system.intake(lambda kind, why, _: self._add(kind, why))
        system.people(intake)
        intake.close()
        self._nonces = [str(nonce) for (nonce,) in rows(_NONCES)]
        self._door = Door(system)
        logging.getLogger().addHandler(Tracebacks(lambda _, text: self._add("unhandled", text)))

    def _add(self, kind: str, why: str) -> None:
        case = {"request": base64.b64encode(self._last).decode()}
        self._findings.add("callbacks", self.tally, kind, why, case)

    def run(self, count: int) -> Tally:
        """`count` requests."""
        watch = Stopwatch()
        for number, begin in enumerate(range(0, count, BATCH)):
            ours = number % 10 == 9
            before = self._state(ours)
            for n in range(begin, min(begin + BATCH, count)):
                dice = seeded(self._findings.seed, "callbacks", n)
                self.one(forged(dice, dice.choice(self._nonces), ours))
            if self._state(ours) != before:
                self.tally.counts["accepted"] += 1
                self._add("violations", f"something changed ({'by a known nonce' if ours else 'by a forged one'})")
        self.tally.counts.update(sent=count, accepted=0, seconds=round(watch.seconds))
        for broken in self._system.broken():
            self._add("violations", broken)
        self._door.close()
        return self.tally

    def _state(self, ours: bool) -> Any:
        return rows(_BUT_FOR_HINTS) if ours else self._system.books()

    def one(self, request: bytes) -> None:
        """One request, with an eye on its status and its time."""
        self._last = request
        began = time.monotonic()
        status = self._door.ask(request)
        seconds = time.monotonic() - began
        self.tally.counts[f"{status // 100}xx" if status else "no answer"] += 1
        if status >= 500 and status not in REFUSED_BY_SERVER:
            self._add("unhandled", f"HTTP {status}")
        if (
            seconds > MOST_SECONDS
            and self._door.ask(request) >= 0
            and time.monotonic() - began - seconds > MOST_SECONDS
        ):
            self._add("slow", f"{seconds:.1f} s, twice")


# waitress's own words for a method or a transfer it doesn't know.
REFUSED_BY_SERVER = (501, 505)


def fuzz_callbacks(count: int, findings: Findings, system: System) -> Tally:
    """`count` forged requests."""
    return CallbackFuzz(system, findings).run(count)


def replay_callback(case: dict[str, Any], findings: Findings, system: System) -> Tally:
    """The request of a finding again."""
    fuzz = CallbackFuzz(system, findings)
    fuzz.one(base64.b64decode(case["request"]))
    return fuzz.tally

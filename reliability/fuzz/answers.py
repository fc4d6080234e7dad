"""What a vendor may answer: sound bodies, known refusals, and what becomes of them on a bad line, byte for byte."""

from random import Random
from typing import Any

from reliability.fuzz.mutations import HUGE, WORDS, copy, encoded, hostile, mutated

Body = Any

RECORD = {"taskId": "t1", "model": "bytedance/seedance-1.5-pro", "param": '{"input":"{}","callBackUrl":"http://x.example/kie/callback/n"}',
          "costTime": 1, "createTime": 1, "completeTime": 2}  # fmt: skip
PERSON = {"id": 7, "is_bot": False, "first_name": "А"}
SENT = {"message_id": 5, "date": 1, "chat": {"id": 7, "type": "private"}, "from": PERSON, "text": "т"}
FILE = {"file_id": "A", "file_unique_id": "a", "file_size": 9, "file_path": "photos/1.jpg"}
VIDEO = {"file_id": "BAAC", "file_unique_id": "x", "width": 9, "height": 16, "duration": 5}


def _kie(data: Body, code: Body = 200, msg: str = "success") -> Body:
    return {"code": code, "msg": msg, "data": data}


def _said(**message: Body) -> Body:
    return {
        "id": "c",
        "object": "chat.completion",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", **message}}],
    }


# Sound answers and known refusals of each vendor: what goes wrong, goes wrong with one of these.
KIE_REFUSALS = tuple(
    _kie(None, code, msg)
    for code, msg in (
        (401, "You do not have access permissions"), (402, "Credits insufficient"), (404, "Not Found"), (422, "input is invalid"),
        (429, "Your call frequency is too high"), (433, "limit"), (455, "maintenance"), (500, "Server exception"), (501, "failed"),
        (505, "disabled"), ("429", "slow"), (599, "The frobnicator declined"),
    )
)  # fmt: skip
OPENAI_REFUSALS = tuple(
    {"error": {"message": text, "type": kind, "param": None, "code": code}}
    for text, kind, code in (
        ("Incorrect API key provided", "invalid_request_error", "invalid_api_key"),
        ("Rate limit reached. Please try again in 6m0.5s.", "tokens", "rate_limit_exceeded"),
        ("You exceeded your current quota", "insufficient_quota", "insufficient_quota"), ("The server had an error", "server_error", None),
    )
)  # fmt: skip
TELEGRAM_REFUSALS = tuple(
    {"ok": False, "error_code": code, "description": text, **more}
    for code, text, more in (
        (400, "Bad Request: message is not modified", {}), (403, "Forbidden: bot was blocked by the user", {}), (401, "Unauthorized", {}),
        (429, "Too Many Requests: retry after 300", {"parameters": {"retry_after": 300}}), (500, "Internal Server Error", {}),
        (400, "Bad Request: group chat was upgraded", {"parameters": {"migrate_to_chat_id": -1001}}),
    )
)  # fmt: skip
SOUND: dict[str, tuple[Body, ...]] = {
    "upload": (_kie({"downloadUrl": "https://files.example/a.jpg", "fileName": "a.jpg"}), *KIE_REFUSALS),
    "create": (_kie({"taskId": "t1", "recordId": "r"}), *KIE_REFUSALS),
    "record": (
        *(_kie({**RECORD, "state": state}) for state in ("waiting", "queuing", "generating", "dreaming")),
        _kie({**RECORD, "state": "success", "resultJson": '{"resultUrls":["https://files.example/v.mp4"]}'}),
        _kie({**RECORD, "state": "success", "resultJson": {"resultUrls": []}}),
        *(_kie({**RECORD, "state": "fail", "failCode": code, "failMsg": "Image contains faces."}) for code in ("400", 500, None)),
        *KIE_REFUSALS,
    ),
    "credit": (_kie(100.5), _kie(0), *KIE_REFUSALS),
    "script": (_said(content="Сцена 1"), _said(content=None, refusal="No."), _said(content=""), *OPENAI_REFUSALS, *KIE_REFUSALS),
    "updates": (
        {"ok": True, "result": [{"update_id": 5, "message": SENT}, {"update_id": 6}]}, {"ok": True, "result": []}, *TELEGRAM_REFUSALS,
    ),
    "text": ({"ok": True, "result": SENT}, *TELEGRAM_REFUSALS),
    "edit": ({"ok": True, "result": SENT}, {"ok": True, "result": True}, *TELEGRAM_REFUSALS),
    "video": ({"ok": True, "result": {**SENT, "video": VIDEO}}, {"ok": True, "result": {**SENT, "animation": VIDEO}}, *TELEGRAM_REFUSALS),
    "download": ({"ok": True, "result": FILE}, *TELEGRAM_REFUSALS),
    "button": ({"ok": True, "result": True}, *TELEGRAM_REFUSALS),
    "result": ("a video", "<html>"),
}  # fmt: skip
STATUSES = (
    *(200,) * 20,
    *(201, 204, 206, 301, 302, 304, 307, 400, 401, 402, 403, 404, 409, 413, 422, 429, 455, 500, 501, 502, 503, 524, 599, 999),
)  # fmt: skip
PAGES = (
    b"", b" ", b"<html><body>502 Bad Gateway</body></html>", b"null", b"[]", b'"x"', b"0", b"true", b"{", b'{"code":200', b"\xff\xfe",
    b"\x80\x81", b"{}{}", b"data: {}\n\n", b"ok", b"\xef\xbb\xbf{}", b"[" * 100_000, b'{"a":' * 100_000, b'{"code":' + b"9" * 5000 + b"}",
    b"NaN",
)  # fmt: skip
NO_HTTP = (
    b"", b"\0" * 50, b"HTTP/9.9 x\r\n\r\n", b"HTTP/1.1 200\r\n", b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 " + b"9" * 400 + b" x\r\n\r\n",
)  # fmt: skip
TIMES = (b"-1", b"9" * 21, b"nan", b"Wed, 99 Foo 9999 99:99:99 GMT", b"0", b"5.5", b"\xd9\xa3")
HEADERS = (
    b"Content-Type: ", b"Content-Encoding: ", b"Content-Encoding: gzip", b"Location: ", b"Location: //[", b"Set-Cookie: a=",
    b"Content-Type: application/json; charset=", b"X-A: " + b"a" * 70_000,
)  # fmt: skip


def answer(dice: Random, name: str) -> bytes:
    """A whole HTTP answer to the call `name`, most with something wrong."""
    status = dice.choice(STATUSES)
    sound = copy(dice.choice(SOUND[name]))
    value = mutated(sound, dice, dice.choice((0, 1, 1, 1, 2, 4))) if dice.random() < 0.95 else hostile(dice)
    body = encoded(value, dice).encode(errors="replace")
    kind = dice.random()
    if kind < 0.12:
        body = dice.choice(PAGES)
    elif kind < 0.2:
        body = body[: dice.randrange(len(body) + 1)]
    elif kind < 0.25:
        body = body.decode().encode(dice.choice(("utf-16", "utf-32", "cp1251", "latin-1")), "replace")
    elif kind < 0.253:
        body = dice.choice(HUGE).encode() * dice.choice((1, 3))
    return _wired(dice, status, body)


def _wired(dice: Random, status: int, body: bytes) -> bytes:
    odd = dice.random()
    if odd < 0.02:
        return dice.choice(NO_HTTP)
    length = b"%d" % len(body)
    if odd < 0.06:
        length = dice.choice((b"0", b"%d" % (len(body) + 7), b"%d" % (len(body) // 2), b"-1", b"abc", b"9" * 30))
    reason = dice.choice(("OK", "", "Плохо", "x" * 300)).encode()
    head = b"HTTP/1.1 %d %s\r\nConnection: close\r\n" % (status, reason)
    if dice.random() < 0.2:
        head += _odd_header(dice)
    if odd > 0.96:
        whole = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        chunks = dice.choice((whole, whole[:-7], b"ffffffff\r\n" + body, b"zz\r\n" + body))
        return head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks
    return head + b"Content-Length: %s\r\n\r\n%s" % (length, body)


def _odd_header(dice: Random) -> bytes:
    word = dice.choice(WORDS).encode(errors="replace").replace(b"\r", b"").replace(b"\n", b"")[:300]
    if dice.random() < 0.5:
        return b"Retry-After: " + dice.choice((*TIMES, word)) + b"\r\n"
    return dice.choice(HEADERS) + word + b"\r\n"

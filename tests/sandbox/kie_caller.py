"""A caller of the KIE stand-in, for the tests of it."""

import base64
import io
import json
from typing import Any

import requests
from PIL import Image

from sandbox.server import Sandbox

PROMPT = "A cup of coffee on a wooden table"
SEEDANCE = "bytedance/seedance-1.5-pro"
# One input for each model that it has to accept, with "PHOTO" where a photo's address goes.
GOOD_INPUTS: dict[str, dict[str, Any]] = {
    SEEDANCE: {
        "prompt": PROMPT,
        "input_urls": ["PHOTO"],
        "aspect_ratio": "9:16",
        "duration": 8,
        "generate_audio": True,
    },
    "bytedance/seedance-2": {"prompt": PROMPT, "first_frame_url": "PHOTO", "duration": 4, "resolution": "480p"},
    "bytedance/seedance-2-fast": {"prompt": PROMPT, "reference_image_urls": ["PHOTO"], "aspect_ratio": "9:16"},
    "kling-3.0/video": {"prompt": PROMPT, "image_urls": ["PHOTO"], "sound": False, "duration": "5", "mode": "std"},
    "kling-2.6/image-to-video": {"prompt": PROMPT, "image_urls": ["PHOTO"], "sound": True, "duration": "5"},
    "wan/2-6-image-to-video": {"prompt": PROMPT, "image_urls": ["PHOTO"], "duration": "5", "resolution": "720p"},
    "wan/2-7-image-to-video": {"prompt": PROMPT, "first_frame_url": "PHOTO", "duration": 5, "watermark": False},
    "grok-imagine/image-to-video": {"prompt": PROMPT, "image_urls": ["PHOTO"], "duration": "6", "mode": "fun"},
}
TEN_KEYS = [
    *("taskId", "model", "state", "param", "resultJson"),
    *("failCode", "failMsg", "costTime", "completeTime", "createTime"),
]


def picture(width: int = 600, height: int = 800, kind: str = "JPEG") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), (120, 60, 20)).save(buffer, kind)
    return buffer.getvalue()


class Caller:
    """One holder of a KIE key."""

    def __init__(self, sandbox: Sandbox, session: requests.Session, key: str = "key-1") -> None:
        self.sandbox, self.url, self.session = sandbox, sandbox.url, session
        self.headers = {"Authorization": f"Bearer {key}", "User-Agent": "neurocards-test"}

    def other(self, key: str) -> "Caller":
        """The holder of another key."""
        return Caller(self.sandbox, self.session, key)

    def post(self, path: str, body: Any) -> requests.Response:
        return self.session.post(self.url + path, json=body, headers=self.headers, timeout=20)

    def get(self, path: str, **params: Any) -> requests.Response:
        return self.session.get(self.url + path, params=params, headers=self.headers, timeout=20)

    def control(self, verb: str, path: str, body: Any = None) -> Any:
        answer = self.session.request(verb, f"{self.url}/sandbox{path}", json=body, timeout=70)
        assert answer.ok, answer.text
        return answer.json()

    def settings(self, **wanted: Any) -> None:
        self.control("PUT", "/kie/settings", wanted)

    def arm(self, kind: str, endpoint: str = "createTask", **more: Any) -> None:
        self.control("POST", "/faults", {"service": "kie", "endpoint": endpoint, "kind": kind, **more})

    def upload(self, content: bytes) -> str:
        body = {"base64Data": base64.b64encode(content).decode(), "uploadPath": "images", "fileName": "p.jpg"}
        return str(self.post("/api/file-base64-upload", body).json()["data"]["downloadUrl"])

    def create(self, model: str = SEEDANCE, given: Any = None, **more: Any) -> dict[str, Any]:
        given = {"prompt": PROMPT, "aspect_ratio": "9:16", "duration": 8} if given is None else given
        answer: dict[str, Any] = self.post("/api/v1/jobs/createTask", {"model": model, "input": given, **more}).json()
        return answer

    def task(self, **more: Any) -> str:
        return str(self.create(**more)["data"]["taskId"])

    def record(self, task_id: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.get("/api/v1/jobs/recordInfo", taskId=task_id).json()["data"]
        return answer

    def ended(self, task_id: str) -> dict[str, Any]:
        """The record of a task once it has ended."""
        self.control("GET", f"/kie/tasks/{task_id}?wait=30")
        return self.record(task_id)

    def credit(self) -> float:
        return float(self.get("/api/v1/chat/credit").json()["data"])

    def account(self, name: str = "default") -> dict[str, Any]:
        found: dict[str, Any] = self.control("GET", "/kie/accounts")["accounts"][name]
        return found


def filled(given: dict[str, Any], url: str) -> dict[str, Any]:
    filled_in: dict[str, Any] = json.loads(json.dumps(given).replace("PHOTO", url))
    return filled_in

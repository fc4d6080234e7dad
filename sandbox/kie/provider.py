"""The KIE provider behind its routes: takes in tasks, carries them to their end, and accounts for them."""

from concurrent.futures import Future
from pathlib import Path
from typing import Any

from sandbox.kie.accounts import CREATE_WINDOW_SECONDS, POLL_WINDOW_SECONDS, Account, Accounts, Key
from sandbox.kie.callbacks import Callbacks
from sandbox.kie.files import FileStore, StoredFile, fresh_name
from sandbox.kie.models import MODELS, SORA_MODELS, Model, Refused, check
from sandbox.kie.pictures import NOT_READ, PREFIX, first_of
from sandbox.kie.plans import plan_task
from sandbox.kie.render import NotAPicture
from sandbox.kie.results import bad_result
from sandbox.kie.settings import Settings
from sandbox.kie.studio import Studio
from sandbox.kie.tasks import Task, TaskBook
from sandbox.kie.workers import Timetable
from sandbox.world import World

TOO_OFTEN = "Your call frequency is too high. Please try again later."
NO_CREDIT = {
    "402": (402, "Insufficient credits"),
    "500": (
        500,
        "Credits insufficient : Your current balance isn’t enough to run this request. Please top up to continue.",
    ),
}
KEY_CAP = (433, "Daily quota reached")


class Kie:
    """One KIE: its accounts, files, tasks and the threads that work on them."""

    def __init__(self, world: World) -> None:
        """Open for business; everything is closed by the world's closers."""
        self.world = world
        self.settings = Settings()
        self.accounts = Accounts()
        self.files = FileStore()
        self.tasks = TaskBook()
        self._timetable = Timetable("kie-timetable")
        self._studio = Studio(world, self.files)
        self._callbacks = Callbacks(world, self.settings, self._timetable)
        # Closed from right to left: first what starts work, last the folder that the work is done in.
        for part in (self.files, self.tasks, self._studio, self._callbacks, self._timetable):
            world.closers.append(part.close)

    def models(self) -> dict[str, Model]:
        """The models served now."""
        return {**MODELS, **SORA_MODELS} if self.settings.sora == "available" else MODELS

    def admit_create(self, key: Key) -> bool:
        """Count a createTask call; False when the account is over its limit."""
        seconds = self.world.clock.scaled(CREATE_WINDOW_SECONDS)
        return self.accounts.admit_create(key.account, self.settings.create_limit, seconds)

    def admit_poll(self, key: Key) -> bool:
        """Count a recordInfo call; False when the key is over its limit."""
        return self.accounts.admit_poll(key, self.settings.poll_limit, self.world.clock.scaled(POLL_WINDOW_SECONDS))

    def create(self, key: Key, body: dict[str, Any]) -> tuple[Task, str]:
        """Make and start a task; also the journal's note about its faults. Raises Refused, with nothing made."""
        model, callback_url = self._checked(body)
        given = body["input"]
        cost = model.cost(given)
        self._charge(key, cost)
        # The picture is only looked at once the task is paid: KIE fetches it later, and a bad one fails the task.
        photo, problem = first_of(model.picture_urls(given), model.pictures, self.world.url, self.files)
        plan, note = plan_task(self.world.faults, self.settings, task_context(key, body["model"], photo))
        if problem:
            plan.seconds = min(plan.seconds, self.settings.fail_seconds)
            plan.fail("400", problem)
        now = self.world.clock.now()
        task = Task(
            model=body["model"],
            family=model.family,
            given=given,
            callback_url=callback_url,
            account=key.account,
            caller=key.fingerprint,
            cost=cost,
            plan=plan,
            created=now,
            ends=now + self.world.clock.scaled(plan.seconds),
            photo=photo,
        )
        self._begin(task)
        return task, note

    def _checked(self, body: dict[str, Any]) -> tuple[Model, str]:
        if body.get("model") in SORA_MODELS and self.settings.sora == "505":
            raise Refused(505, "This feature is currently disabled")
        model = check(self.models(), body.get("model"), body.get("input"))
        callback_url = body.get("callBackUrl") or ""
        if not isinstance(callback_url, str):
            raise Refused(422, "callBackUrl is not a valid URL")
        return model, callback_url

    def _charge(self, key: Key, cost: float) -> None:
        if key.state == "433":
            raise Refused(*KEY_CAP)
        if key.state == "402" or not self.accounts.debit(key.account, cost):
            raise Refused(*NO_CREDIT[self.settings.no_credit])

    def _begin(self, task: Task) -> None:
        self.tasks.add(task)
        if task.plan.ending == "success" and not task.plan.bad_result:
            # Rendered from now on, so that the video is there when the imitated render time is over.
            self._studio.video_of(task.photo)
        if task.plan.ending != "stuck":
            self._timetable.at(task.ends, lambda: self.end(task))

    def end(self, task: Task) -> None:
        """Bring a task to the end its plan says; a success waits for the video if that isn't ready."""
        if task.plan.ending == "fail":
            self._fail(task)
        elif task.plan.bad_result:
            self._succeed(task, bad_result(task.plan.bad_result))
        else:
            self._studio.video_of(task.photo).add_done_callback(lambda video: self._deliver(task, video))

    def _deliver(self, task: Task, video: Future[Path]) -> None:
        if video.cancelled():
            return
        if problem := video.exception():
            bad_picture = isinstance(problem, NotAPicture)
            task.plan.fail(*(("400", NOT_READ) if bad_picture else ("500", "Internal Error, Please try again later.")))
            self._fail(task)
        else:
            self._succeed(task, StoredFile(video.result(), "video/mp4", video.result().stem))

    def _succeed(self, task: Task, result: StoredFile) -> None:
        public = f"{task.family}/{fresh_name('.mp4')}"
        self.files.publish(public, result)
        if self.tasks.finish(task, self.world.clock.now(), urls=[f"{self.world.url}{PREFIX}{public}"]):
            self._callbacks.announce(task)

    def _fail(self, task: Task) -> None:
        # Only the call that ended the task gives the credits back.
        if self.tasks.finish(task, self.world.clock.now()):
            self.accounts.credit(task.account, task.cost)
            self._callbacks.announce(task)

    def upload(self, account: Account, path: str, name: str, content: bytes, mime: str) -> dict[str, Any]:
        """Store a file and return the `data` of an upload's answer."""
        stored, digest = self.files.keep(content)
        public = f"kieai/{account.number}/{path}/{name}"
        self.files.publish(public, StoredFile(stored, mime, digest))
        return {
            "success": True,
            "fileName": name,
            "filePath": public,
            "downloadUrl": f"{self.world.url}{PREFIX}{public}",
            "fileSize": len(content),
            "mimeType": mime,
        }


def task_context(key: Key, model: str, photo: StoredFile | None) -> dict[str, object]:
    """What a fault at createTask can match on."""
    digest = photo.digest[:8] if photo else ""
    return {"caller": key.fingerprint, "account": key.account.name, "model": model, "photo": digest}

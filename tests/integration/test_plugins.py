"""The examples of docs/plugins.md, dropped into a copy of the package or installed beside it: nothing else is edited."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from neurocards.db import db
from neurocards.models import Job, Outgoing
from neurocards.policies import Decision
from neurocards.reactions import carry_out
from tests.conftest import jobs_of

ROOT = Path(__file__).parents[2]
EXAMPLES = dict(
    re.findall(r"```python\n# (\S+)\n(.*?)```", (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8"), re.DOTALL)
)
# A failed submit of the job in argv[1], settled as the middleware would.
SETTLE = """
import sys
from types import SimpleNamespace
from neurocards import db, jobs, keys, settlement
from neurocards.classifiers import classify
from neurocards.errors import ProviderError
db.connect(sys.argv[2])
with db.db:
    job = jobs.claim(int(sys.argv[1]), "script", "w1")
settings = SimpleNamespace(models=("model",), admins=(77,))
app = SimpleNamespace(settings=settings, keys=keys.KeyPool([("one", "key")]))
settlement.settle(app, job, classify(ProviderError("acme", "film", "Come back at dawn!")))
"""


def run(folder: Path, *arguments: str, given: str = "") -> str:
    """What Python prints with `folder` as the place where packages are found first."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}
    command = [sys.executable, *arguments]
    done = subprocess.run(
        command, check=False, input=given, cwd=folder, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def meaning(folder: Path, text: str) -> dict:
    """The command line's verdict on a failure of Acme's."""
    return json.loads(run(folder, "-m", "neurocards", "classify", given=json.dumps({"provider": "acme", "text": text})))


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """A copy of the package with the examples dropped in."""
    shutil.copytree(ROOT / "neurocards", tmp_path / "neurocards", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "schema.sql", tmp_path)
    for path, code in EXAMPLES.items():
        (tmp_path / path).write_text(code, encoding="utf-8")
    return tmp_path


def test_each_example_is_one_short_file():
    assert {Path(path).parent.name for path in EXAMPLES} == {"classifiers", "policies", "reactions"}
    assert all(len(code.strip().splitlines()) < 30 for code in EXAMPLES.values())


def test_a_provider_and_a_category_dropped_in_are_found(scratch):
    # When failures of the new provider are classified
    night, wallet = meaning(scratch, "The  studio is asleep."), meaning(scratch, "WALLET is empty")
    # Then the new rules decide, into the new category and into an old one, and what no rule knows is unknown
    assert night == {"category": "ASLEEP", "subtype": "", "retry": True, "why": "night"}
    assert (wallet["category"], wallet["subtype"], wallet["retry"]) == ("BILLING", "no_credit", False)
    assert meaning(scratch, "blorp")["category"] == "UNKNOWN"


def test_the_new_categorys_policy_and_reaction_settle_a_job(scratch, ordered, clean_db):
    # Given a job whose stage fails in the new way
    job = jobs_of(ordered())[0]
    # When it is settled by the scratch copy
    run(scratch, "-c", SETTLE, str(job.id), clean_db)
    # Then it waits for the policy's delay, and the reaction told the operator in the same breath
    with db:
        after = Job.get_by_id(job.id)
        told = [row.payload for row in Outgoing.select().where(Outgoing.kind == "alert")]
    assert (after.status, after.stage, after.claim_token) == ("processing", "script", None)
    assert 600 <= (after.due_at - after.created_at).total_seconds() <= 960
    assert told == [{"what": "night_watch", "job": job.id, "text": "Come back at dawn!"}]


def test_an_installed_package_registers_by_its_entry_point(tmp_path):
    # Given a package installed beside ours, with an entry point to the example
    (tmp_path / "acme_neurocards.py").write_text(EXAMPLES["neurocards/classifiers/acme.py"], encoding="utf-8")
    metadata = tmp_path / "acme_neurocards-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-neurocards\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[neurocards.classifiers]\nacme = acme_neurocards\n")
    # Then its provider is known
    assert meaning(tmp_path, "your wallet is empty")["category"] == "BILLING"


def test_a_reaction_that_nobody_registered_is_a_loud_mistake():
    with pytest.raises(KeyError, match="nonsense"):
        carry_out(None, None, None, Decision("nonsense"))

"""What the Kubernetes manifests promise, read from their files. Whether they are well-formed is for kustomize and the schemas to say."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from neurocards.config import DatabaseSettings, Settings
from tests.deploy.connections import connections

FOLDER = Path(__file__).parents[2] / "deploy" / "kubernetes"
MANIFESTS = [path for path in sorted(FOLDER.glob("*.yaml")) if path.name != "kustomization.yaml"]
OBJECTS = [found for path in MANIFESTS for found in yaml.safe_load_all(path.read_text())]
SETTINGS = {name.upper() for name in Settings.model_fields}
SECRETS = {"BOT_TOKEN", "WEBHOOK_SECRET_TOKEN", "DATABASE_URL", "REDIS_URL", "OPENAI_API_KEY", "KIE_API_KEY"}


def pods() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every pod of the manifests: (name, spec)."""
    for found in OBJECTS:
        if found["kind"] in ("Deployment", "Job"):
            yield found["metadata"]["name"], found["spec"]["template"]["spec"]


def manifest(kind: str, name: str) -> dict[str, Any]:
    """The one object of that kind and name."""
    [found] = [found for found in OBJECTS if (found["kind"], found["metadata"]["name"]) == (kind, name)]
    return found


def variables_of(path: Path) -> dict[str, str]:
    """A file of NAME=value lines."""
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def test_kustomization_names_every_manifest():
    kustomization = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
    assert set(kustomization["resources"]) == {path.name for path in MANIFESTS}
    # And what is filled in with secrets is not committed
    secret = {file for part in kustomization["secretGenerator"] for file in part["envs"]}
    ignored = (FOLDER / ".gitignore").read_text().splitlines()
    assert secret <= set(ignored)
    assert not [file for file in secret if (FOLDER / file).exists()]


@pytest.mark.parametrize(("name", "spec"), list(pods()))
def test_pod_asks_for_nothing_that_the_restricted_standard_forbids(name: str, spec: dict[str, Any]):
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] == 10001
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    [container] = spec["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip
    assert {"cpu", "memory"} <= set(container["resources"]["limits"]) & set(container["resources"]["requests"])
    # And secrets come by reference
    assert "env" not in container
    references = {next(iter(source.values()))["name"] for source in container["envFrom"]}
    assert references == ({"owner"} if name == "migrate" else {"settings", "secrets"})


def test_pods_are_probed_and_given_time_to_stop():
    bot, worker = (dict(pods())[name] for name in ("bot", "worker"))
    paths = [bot["containers"][0][probe]["httpGet"]["path"] for probe in ("livenessProbe", "readinessProbe")]
    assert paths == ["/healthz", "/readyz"]
    assert worker["containers"][0]["livenessProbe"]["exec"]["command"] == ["python", "deploy/health.py", "worker"]
    # Ten seconds are theirs; the bot's begin after its preStop
    pause = int(
        re.findall(r"sleep\((\d+)\)", shlex.join(bot["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]))[0]
    )
    assert bot["terminationGracePeriodSeconds"] > pause + 10
    assert worker["terminationGracePeriodSeconds"] > 10


def test_cluster_is_told_only_what_settings_know():
    told = {name: variables_of(FOLDER / name) for name in ("config.env", "secret.example.env", "owner.example.env")}
    assert set(told["config.env"]) | set(told["secret.example.env"]) <= SETTINGS
    assert set(told["owner.example.env"]) <= {name.upper() for name in DatabaseSettings.model_fields}
    # And no variable that holds a secret is in the part that is none, or has a value here
    assert not {
        "BOT_TOKEN",
        "WEBHOOK_SECRET_TOKEN",
        "DATABASE_URL",
        "REDIS_URL",
        "OPENAI_API_KEY",
        "KIE_API_KEY",
    } & set(told["config.env"])
    assert set(told["secret.example.env"].values()) == {""}


def test_workers_grow_with_the_age_of_the_queue_as_far_as_connections_go():
    scaled = manifest("ScaledObject", "worker")["spec"]
    # Given the worker's deployment, whose number nothing else sets
    assert manifest("Deployment", scaled["scaleTargetRef"]["name"])["spec"].get("replicas") is None
    [trigger] = scaled["triggers"]
    assert "neurocards_queue_age_seconds" in trigger["metadata"]["query"]
    # Then at most so many run, surplus ones of a roll-out too, that all find a connection
    surge = {
        name: manifest("Deployment", name)["spec"]["strategy"]["rollingUpdate"]["maxSurge"]
        for name in ("bot", "worker")
    }
    pool = int(variables_of(FOLDER / "config.env")["DB_POOL_SIZE"])
    bots = manifest("Deployment", "bot")["spec"]["replicas"] + surge["bot"]
    workers = scaled["maxReplicaCount"] + surge["worker"]
    assert connections(workers=workers, pool=pool, bots=bots) <= 200


def test_outside_reaches_what_telegram_and_kie_call_and_nothing_else():
    [rule] = manifest("Ingress", "bot")["spec"]["rules"]
    assert {path["path"] for path in rule["http"]["paths"]} == {"/telegram/webhook", "/kie/callback"}
    assert rule["host"] == variables_of(FOLDER / "config.env")["PUBLIC_BASE_URL"].removeprefix("https://")
    # And inside, everything that is not named is refused
    closed = manifest("NetworkPolicy", "closed")["spec"]
    assert closed == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    admitted = [policy for policy in OBJECTS if policy["kind"] == "NetworkPolicy" and "ingress" in policy["spec"]]
    assert [policy["metadata"]["name"] for policy in admitted] == ["to-bot", "to-solver"]
    # But for the pod that gets the certificate, which has no label of ours, as kustomize would add it to matchLabels
    assert "matchLabels" not in manifest("NetworkPolicy", "to-solver")["spec"]["podSelector"]


def test_the_database_can_be_upgraded_before_bot_and_workers_are_rolled_out():
    kustomization = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
    # Given what a first step applies
    step = {"neurocards/step": "migrate"}
    first = {found["kind"] for found in OBJECTS if step.items() <= found["metadata"].get("labels", {}).items()}
    secrets = {part["name"] for part in kustomization["secretGenerator"] if part.get("options") == {"labels": step}}
    # Then it is the job, with all it refers to, and no more
    assert first == {"Namespace", "Job"}
    [container] = manifest("Job", "migrate")["spec"]["template"]["spec"]["containers"]
    assert [{"secretRef": {"name": name}} for name in secrets] == container["envFrom"]
    # And this is the step that the commands begin with
    applied = re.findall(
        r"^#     kubectl apply (.*?)(?: &&)?$", (FOLDER / "kustomization.yaml").read_text(), re.MULTILINE
    )
    assert applied == ["-k deploy/kubernetes -l neurocards/step=migrate", "-k deploy/kubernetes"]


def test_a_machine_can_be_drained():
    for budget in (found["spec"] for found in OBJECTS if found["kind"] == "PodDisruptionBudget"):
        assert "minAvailable" not in budget

"""What the image, Docker Compose and .env.example promise, read from their files.

Whether they are well-formed is for their own tools to say (hadolint, a compose schema); this is about what must hold
between them, the settings class and the specification.
"""

import ast
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from neurocards.config import DatabaseSettings, Settings, load
from neurocards.errors import ConfigurationMistake
from tests.deploy.connections import connections

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]

APP = ("bot", "worker", "migrate")
SETTINGS = {name.upper() for name in Settings.model_fields}
# A container has its output in place of a folder, a fixed port, and is told no more of the owner's role than it needs.
NOT_IN_CONTAINERS = {"LOG_DIR", "PORT", "APP_ROLE"}
SECRET = re.compile(r"PASSWORD|TOKEN|KEY|AUTH|PASS$|_URL$|SECRET")
VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")

WORKERS_AT_HIGH_LOAD = 20


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile as (instruction, rest), continued lines joined."""
    text = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE))
    return [(line.split()[0], line.partition(" ")[2].strip()) for line in text.splitlines() if line.strip()]


def final_stage() -> list[tuple[str, str]]:
    """The instructions since the last FROM: what runs."""
    found = instructions()
    last = max(n for n, (name, _) in enumerate(found) if name == "FROM")
    return found[last:]


def let_in() -> list[str]:
    """The paths that .dockerignore lets into the image."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    return [line[1:] for line in lines if line.startswith("!")]


def template() -> dict[str, tuple[str, bool]]:
    """.env.example: name -> (what stands there, whether the line is commented out)."""
    lines = re.findall(r"^(#?)([A-Z_]+)=(.*)$", (ROOT / ".env.example").read_text(), flags=re.MULTILINE)
    return {name: (value, bool(mark)) for mark, name, value in lines}


def compose_variables() -> dict[str, tuple[str, str]]:
    """What docker-compose.yml takes from .env: name -> (- for a default, ? for required, that default)."""
    found = VARIABLE.findall(json.dumps({key: COMPOSE[key] for key in ("services", "volumes")}))
    return {name: (mark, default) for name, mark, default in found}


# --- the image --------------------------------------------------------------------------------------------------------


def test_image_runs_as_nobody_in_particular_and_is_told_to_stop_in_order():
    # Given what runs
    stage = dict(final_stage())
    # Then it is no root, by number, since a supervisor can't look names up in an image
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", stage["USER"])
    # And signals and arguments reach Python itself, through no shell
    assert json.loads(stage["ENTRYPOINT"]) == ["python"]
    assert json.loads(stage["CMD"]) == ["run_bot.py"]
    assert json.loads(stage["HEALTHCHECK"].partition(" CMD ")[2]) == ["python", "deploy/health.py", "bot"]
    assert stage["STOPSIGNAL"] == "SIGTERM"


def test_image_has_what_is_pinned_and_nothing_of_development():
    # Given all its steps
    steps = " ".join(rest for _, rest in instructions())
    # Then packages match their hashes, from a base with a version, and development's are not there
    assert "--require-hashes --requirement /build/requirements.txt" in steps
    assert "requirements-dev" not in steps
    bases = [rest.split("=")[1] for name, rest in instructions() if name == "ARG"]
    assert bases and all(re.fullmatch(r"python:3\.\d+-slim-\w+(@sha256:\w{64})?", base) for base in bases)


def test_image_has_every_package_of_the_product_and_no_secret():
    # Given what gets in: all else is ignored first
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    inside = let_in()
    assert lines[0] == "*"
    assert lines[-1] == "**/.env*"
    assert [path for path in inside if not (ROOT / path).exists()] == []
    # When the product's own imports are followed
    ours = {path.stem for path in ROOT.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    sources = [
        file for path in inside for file in ((ROOT / path).rglob("*.py") if (ROOT / path).is_dir() else [ROOT / path])
    ]
    needed = {name for file in sources if file.suffix == ".py" for name in imported(file)} & ours
    # Then each is there, but for the stand-ins, which only `demo` and `dev` ask for
    assert needed - {Path(path).stem for path in inside} == {"sandbox"}


def imported(file: Path) -> set[str]:
    """Top-level names that a module imports anywhere."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


# --- Docker Compose ---------------------------------------------------------------------------------------------------


def test_services_have_the_names_that_commands_use():
    assert {"bot", "worker", "postgres", "redis", "migrate"} <= set(SERVICES)
    # And the monitoring comes only when it is asked for
    asked_for = {name for name, service in SERVICES.items() if service.get("profiles") == ["monitoring"]}
    assert {"prometheus", "grafana"} <= asked_for == set(SERVICES) - {*APP, "postgres", "redis"}


@pytest.mark.parametrize("name", SERVICES)
def test_service_is_shut_in(name: str):
    service = SERVICES[name]
    # Then it can write nowhere, become nobody, and take no more than its share
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert re.fullmatch(r"[1-9]\d*:\d+", service["user"]), "not root, and by number"
    assert {"mem_limit", "cpus", "pids_limit"} <= set(service)
    assert "privileged" not in service
    # And it comes back when it dies, but for the migration, which has an end
    assert service["restart"] == ("no" if name == "migrate" else "unless-stopped")
    # And its output doesn't fill the disk, and its image is of one version
    assert service["logging"]["options"] == {"max-size": "10m", "max-file": "5"}
    assert not re.search(r":latest$|^[^:]+$", service["image"])
    # And it is seen when it is ill, but for what only ends or only reports
    assert "healthcheck" in service or "exporter" in name


def test_servers_are_out_of_reach_and_the_bot_is_on_loopback_alone():
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    for name in ("postgres", "redis", "migrate"):
        assert SERVICES[name]["networks"] == ["inside"]
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert all(port.startswith("127.0.0.1:") for port in published)
    assert SERVICES["bot"]["ports"] == ["127.0.0.1:${PORT:-10000}:10000"]


def test_workers_can_be_many():
    worker = SERVICES["worker"]
    # Given nothing that only one container may have
    assert not {"container_name", "ports", "hostname"} & set(worker)
    # Then five run by default, .env says otherwise, and /queue_stats counts those that run unless it is told a number
    assert worker["deploy"]["replicas"] == "${WORKER_REPLICAS:-5}"
    assert worker["environment"]["WORKERS_CONFIGURED"] == "${WORKERS_CONFIGURED:-}"
    assert worker["command"] == ["run_workers.py"]


def test_postgres_is_as_specified_and_its_connections_suffice():
    command = SERVICES["postgres"]["command"]
    # Then its memory is the specification's, which a small machine may lower
    assert "-cshared_buffers=${POSTGRES_SHARED_BUFFERS:-2GB}" in command
    assert "-ceffective_cache_size=${POSTGRES_EFFECTIVE_CACHE_SIZE:-6GB}" in command
    # And everybody finds a connection: a pool each, and one for the lead or for the poller's lock
    [allowed] = [int(part.partition("=")[2]) for part in command if part.startswith("-cmax_connections")]
    pool = Settings.model_fields["db_pool_size"].default
    assert allowed == 200
    assert connections(workers=WORKERS_AT_HIGH_LOAD, pool=pool, bots=1) <= allowed


def test_redis_never_forgets_by_itself_and_asks_for_a_password():
    [*_, script] = SERVICES["redis"]["command"]
    assert "--maxmemory-policy noeviction" in script
    assert "requirepass" in script
    # And the password is no argument, which every list of processes shows
    assert "--requirepass" not in script and "REDIS_PASSWORD" not in script


def test_redis_is_told_to_stop_itself_and_its_password_is_in_a_private_file(tmp_path: Path):
    # Given the container's command, and a server that says who it is and what it was given
    server = tmp_path / "redis-server"
    server.write_text('#!/bin/sh\necho $$ $(stat -c %a "$1") $(cat "$1")\n')
    server.chmod(0o755)
    *shell, script = SERVICES["redis"]["command"]
    # When it is run
    process = subprocess.Popen(
        [*shell, script.replace("$$", "$").replace("/tmp", str(tmp_path))],  # noqa: S108  it is the container's
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}", "REDISCLI_AUTH": "pass"}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    said, _ = process.communicate(timeout=10)
    # Then the server is the very process that gets the container's signals
    assert said.strip() == f'{process.pid} 600 requirepass "pass"'


def test_healthy_means_that_there_is_a_database_to_work_with():
    assert SERVICES["bot"]["healthcheck"]["test"] == ["CMD", "python", "deploy/health.py", "bot"]
    assert SERVICES["worker"]["healthcheck"]["test"] == ["CMD", "python", "deploy/health.py", "worker", "--strict"]


def test_bot_has_the_same_memory_with_systemd_and_kubernetes():
    [compose] = re.findall(r"^(\d+)g$", SERVICES["bot"]["mem_limit"])
    units = [(ROOT / "deploy" / "systemd" / f"neurocards-bot{kind}.service").read_text() for kind in ("", "-webhook")]
    assert all(f"\nMemoryMax={compose}G\n" in unit for unit in units)
    assert f"memory: {compose}Gi" in (ROOT / "deploy" / "kubernetes" / "bot.yaml").read_text()


def test_a_machine_with_one_cpu_can_run_it():
    # Given that Docker refuses a container more CPUs than there are
    cpus = {name: service["cpus"] for name, service in SERVICES.items()}
    # Then what asks for more than one can be told otherwise
    assert {name for name, asked in cpus.items() if not isinstance(asked, int | float) or asked > 1} == {"postgres"}
    assert cpus["postgres"] == "${POSTGRES_CPUS:-2}"


def test_tables_are_there_before_bot_and_workers_start():
    for name in ("bot", "worker"):
        needs = SERVICES[name]["depends_on"]
        assert needs["migrate"]["condition"] == "service_completed_successfully"
        assert needs["postgres"]["condition"] == needs["redis"]["condition"] == "service_healthy"
    # And what takes ten seconds to stop is given more
    assert all(SERVICES[name]["stop_grace_period"] == "15s" for name in APP)


def test_secrets_come_from_env_and_nowhere_else():
    for name, service in SERVICES.items():
        for variable, value in service.get("environment", {}).items():
            if SECRET.search(variable):
                # Then what is secret is required, or empty, and never written here
                assert VARIABLE.search(str(value)), f"{name}: {variable}"
                assert not re.search(r"://[^$/@]*:[^$/@]+@", str(value)), f"{name}: {variable}"
    required = {name for name, (mark, _) in compose_variables().items() if mark == "?"}
    assert required == {
        "BOT_TOKEN", "OPENAI_API_KEY", "KIE_API_KEY", "POSTGRES_PASSWORD", "POSTGRES_APP_PASSWORD", "REDIS_PASSWORD",
    }  # fmt: skip


def test_only_the_migration_has_the_owners_password():
    holders = {name for name, service in SERVICES.items() if "${POSTGRES_PASSWORD" in json.dumps(service)}
    assert holders == {"migrate", "postgres"}
    # And it grants the role of bot and workers what they need
    role = SERVICES["migrate"]["environment"]["APP_ROLE"]
    assert f"postgresql://{role}:" in SERVICES["bot"]["environment"]["DATABASE_URL"]
    assert f"CREATE ROLE {role} LOGIN" in (ROOT / "deploy" / "postgres" / "app_role.sql").read_text()


@pytest.mark.parametrize("name", ["bot", "worker"])
def test_every_setting_reaches_bot_and_workers(name: str):
    given = SERVICES[name]["environment"]
    # Then all there are and no others, each under its own name
    assert set(given) == SETTINGS - NOT_IN_CONTAINERS
    passed_on = {variable: value for variable, value in given.items() if variable not in ("DATABASE_URL", "REDIS_URL")}
    assert all(VARIABLE.fullmatch(value)[1] == variable for variable, value in passed_on.items())


def test_settings_of_the_migration_are_known():
    known = {name.upper() for name in DatabaseSettings.model_fields}
    assert set(SERVICES["migrate"]["environment"]) <= known


def test_files_that_are_mounted_are_there():
    mounts = [mount.split(":")[0] for service in SERVICES.values() for mount in service.get("volumes", [])]
    ours = [ROOT / source for source in mounts if source.startswith("./")]
    assert ours and [str(path) for path in ours if not path.exists()] == []


@pytest.fixture(params=["by hand", "cron"])
def backup(request: pytest.FixtureRequest) -> str:
    """The documented backup, as a shell gets it."""
    text = (ROOT / "docs" / "operations.md").read_text()
    if request.param == "by hand":
        [command] = re.findall(r"^```sh\n(\(umask 077.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    else:
        [command] = re.findall(r"^30 4 \* \* \* root cd \S+ && (.*)$", text, flags=re.MULTILINE)
        assert not re.search(r"(?<!\\)%", command), "cron takes it for the end of the line"
    return command.replace(r"\%", "%")


@pytest.mark.parametrize(("status", "ending"), [(0, ".dump"), (1, ".dump.part")])
def test_documented_backup_is_complete_or_none_and_private(backup: str, tmp_path: Path, status: int, ending: str):
    # Given a pg_dump that succeeds, or dies on its way
    (tmp_path / "docker-compose").write_text(f"#!/bin/sh\necho dump\nexit {status}\n")
    (tmp_path / "docker-compose").chmod(0o755)
    # When the database is backed up
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(["sh", "-c", backup], cwd=tmp_path, env=environment, check=False)
    # Then only what is complete is named so, and nobody else can read it
    assert bool(done.returncode) == bool(status)
    [made] = tmp_path.glob("neurocards-*")
    assert re.fullmatch(rf"neurocards-\d{{8}}-\d{{6}}{re.escape(ending)}", made.name)
    assert made.stat().st_mode & 0o777 == 0o600
    # And it is not committed by mistake
    assert f"*{made.suffix}" in (ROOT / ".gitignore").read_text().splitlines()


# --- .env.example -----------------------------------------------------------------------------------------------------


def test_template_has_every_variable_and_no_other():
    of_compose = set(compose_variables())
    assert set(template()) == SETTINGS | of_compose


def test_template_shows_the_real_defaults():
    for name, (value, commented) in template().items():
        field = Settings.model_fields.get(name.lower())
        if field is None:
            mark, default = compose_variables()[name]
            assert (value, commented) == (("", False) if mark == "?" else (default, True)), name
        else:
            default = (
                ""
                if field.is_required() or field.default is None
                else f"{field.default:g}"
                if name == "TIME_SCALE"
                else field.default
            )
            assert (value, commented) == (str(default), not field.is_required()), name


@pytest.mark.parametrize("name", [name.upper() for name, field in Settings.model_fields.items() if field.is_required()])
def test_template_left_unfilled_is_refused_by_name(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    # Given a copy of the template in which everything required is filled in but one
    good = {
        "DATABASE_URL": "postgresql://u:p@h/d", "REDIS_URL": "redis://h", "BOT_TOKEN": "1:" + "a" * 35,
        "OPENAI_API_KEY": "sk-1", "KIE_API_KEY": "k",
    }  # fmt: skip
    text = (ROOT / ".env.example").read_text()
    for variable, value in good.items():
        text = text if variable == name else re.sub(f"^{variable}=$", f"{variable}={value}", text, flags=re.MULTILINE)
    (tmp_path / ".env").write_text(text)
    for variable in SETTINGS:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(tmp_path)
    # When it is read, then that one is named
    with pytest.raises(ConfigurationMistake, match=f"^{name} is missing"):
        load(Settings)


# --- the front page ---------------------------------------------------------------------------------------------------

# As the specification has them (sections 7 and 8).
COMMANDS = (
    "cp .env.example .env", "docker-compose up -d", "docker-compose ps", "docker-compose logs -f bot", "docker-compose logs -f worker",
    "docker-compose up -d --scale worker=10", "pip3 install -r requirements.txt", "python3 scripts/migrate_db.py", "./deploy_vps.sh",
    "journalctl -u neurocards-bot-webhook.service -f", "journalctl -u neurocards-worker@1.service -f", "./scripts/stop_all.sh",
    "./scripts/restart_all.sh", "systemctl start neurocards-worker@6.service", "systemctl status neurocards-worker@*.service",
    "python3 run_workers.py", "dramatiq actors --processes 10", "curl http://localhost:10000/queue_stats",
)  # fmt: skip


@pytest.mark.parametrize("page", ["README.md", "README.ru.md"])
def test_front_page_has_every_operating_command(page: str):
    text = (ROOT / page).read_text().replace("'", "")
    assert [command for command in COMMANDS if command not in text] == []


@pytest.mark.parametrize(
    "page", ["README.md", "README.ru.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]
)
def test_links_lead_somewhere(page: str):
    # Given every link of a page to another of ours, or to one of its own headings
    links = re.findall(r"\]\((?!https?://)([^)#]*)(?:#([^)]+))?\)", (ROOT / page).read_text())
    for path, heading in links:
        target = (ROOT / page).parent / path if path else ROOT / page
        # Then it is there, with that heading
        assert target.exists(), path
        assert not heading or heading in headings(target), heading


def headings(page: Path) -> set[str]:
    """A page's headings as links name them."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}

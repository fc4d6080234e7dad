"""What an operator runs on a VPS, against a real PostgreSQL, real processes and a systemctl that starts and stops them."""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

import psycopg2
import pytest

from tests.conftest import ROOT
from tests.deploy.conftest import HERE, Machine, eventually, run

# The tools of a VPS; a container that only runs tests may lack some.
TOOLS = ("curl", "flock", "git", "ps")
pytestmark = pytest.mark.skipif(not all(map(shutil.which, TOOLS)), reason=f"needs {', '.join(TOOLS)}")

BOT = "neurocards-bot-webhook.service"
BROKEN_BOT = "import sys\nsys.exit('broken')\n"
NEXT_MIGRATION = 'def up(migrator, db):\n    """A table more."""\n    db.execute_sql("CREATE TABLE next (id int)")\n'
BAD_MIGRATION = NEXT_MIGRATION.replace("CREATE TABLE next (id int)", "CREATE TABLE half (id int); SELECT 1 / 0")
MIGRATION = "neurocards/migrations/0999_next.py"


def worker(number: int) -> str:
    return f"neurocards-worker@{number}.service"


def units(count: int, bot: str = BOT) -> set[str]:
    return {bot, *map(worker, range(1, count + 1))}


def deployed(machine: Machine, *arguments: str) -> None:
    done = machine.script("deploy_vps.sh", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_first_deployment_brings_up_the_real_bot_and_workers(real_machine: Machine):
    # Given a clone with its .env and an empty database
    # When it is deployed for the first time
    deployed(real_machine, "--polling", "--workers", "2")

    # Then the bot answers, the workers beat, each has its log, and stop_all ends them all
    with urllib.request.urlopen(f"http://127.0.0.1:{real_machine.port}/queue_stats", timeout=5) as answer:
        assert b'"workers_configured":2' in answer.read().replace(b" ", b"")
    logs = {"bot.log", "worker-1.log", "worker-2.log"}
    assert {file.name for file in (real_machine.folder / "logs").glob("*.log")} == logs
    assert set(real_machine.running) == units(2, "neurocards-bot.service")
    assert real_machine.script("scripts/stop_all.sh").returncode == 0
    assert real_machine.running == {}
    assert real_machine.ask("SELECT count(*) FROM processes") == [(0,)]


def test_a_deployment_starts_the_webhook_bot_and_five_workers_unless_told_otherwise(machine: Machine):
    # When it is deployed, and again with fewer workers and polling
    deployed(machine)
    at_first = machine.running
    deployed(machine, "--polling", "--workers=2")

    # Then first the usual ones ran and then the others, each enabled for the next start of the machine
    assert set(at_first) == units(5)
    assert set(machine.running) == units(2, "neurocards-bot.service")
    assert {link.name for link in (machine.units / "neurocards.target.wants").iterdir()} == set(machine.running)


def test_a_new_version_is_fetched_backed_up_migrated_and_started(machine: Machine):
    # Given a running version, and a newer one with a migration and other requirements
    deployed(machine, "--workers=1")
    before, old_environment = machine.running, (machine.clone / ".venv").readlink()
    newest = machine.publish({MIGRATION: NEXT_MIGRATION, "requirements.txt": "# none\n"})

    # When it is deployed
    deployed(machine, "--workers=1")

    # Then it runs as new processes in its own environment, on the upgraded database, and there is a backup from before
    assert machine.commit == newest
    assert machine.running.keys() == before.keys()
    assert not set(machine.running.values()) & set(before.values())
    assert (machine.clone / ".venv").readlink() != old_environment
    assert machine.ask("SELECT count(*) FROM next") == [(0,)]
    assert len(list(machine.backups.glob("*.dump"))) == 1


def test_an_unhealthy_version_is_rolled_back(machine: Machine):
    # Given a running version, and a newer one whose bot does not start
    deployed(machine, "--workers=1")
    good, environment = machine.commit, (machine.clone / ".venv").readlink()
    bad = machine.publish({"run_bot.py": BROKEN_BOT, "requirements.txt": "# none\n", MIGRATION: NEXT_MIGRATION})

    # When it is deployed
    done = machine.script("deploy_vps.sh", "--workers=3", NEUROCARDS_PATIENCE="4")

    # Then the old commit runs again in its environment as before, and the database keeps what was added
    assert done.returncode == 1
    assert "the bot is not ready" in done.stdout
    assert f"rolled back: {good[:12]} runs; why" in done.stdout
    assert machine.commit == good
    assert run("git", "rev-parse", "refs/neurocards/failed", folder=machine.clone) == bad
    assert (machine.clone / ".venv").readlink() == environment
    assert set(machine.running) == units(1)
    assert machine.ask("SELECT count(*) FROM next") == [(0,)]


def test_a_failing_migration_changes_nothing_and_the_old_version_goes_on(machine: Machine):
    # Given a running version, and a newer one whose migration fails half-way
    deployed(machine, "--workers=1")
    good = machine.commit
    machine.publish({MIGRATION: BAD_MIGRATION})

    # When it is deployed
    done = machine.script("deploy_vps.sh", "--workers=1")

    # Then nothing of it is in the database and the old version runs
    assert done.returncode == 1
    assert "division by zero" in done.stderr
    assert machine.commit == good
    assert set(machine.running) == units(1)
    assert machine.ask("SELECT count(*) FROM pg_tables WHERE tablename = 'half'") == [(0,)]


def test_an_interrupted_deployment_is_rolled_back(machine: Machine):
    # Given a deployment that waits for a bot which will never be ready
    deployed(machine, "--workers=1")
    good = machine.commit
    machine.publish({"run_bot.py": BROKEN_BOT})
    deployment = subprocess.Popen(
        [machine.clone / "deploy_vps.sh", "--workers=1"], env=machine.environment, stdout=subprocess.DEVNULL
    )
    eventually(
        lambda: (machine.state / f"{BOT}.log").exists() and "broken" in (machine.state / f"{BOT}.log").read_text()
    )

    # When it is told to end
    deployment.send_signal(signal.SIGTERM)

    # Then the old version runs
    assert deployment.wait(60) == 1
    assert machine.commit == good
    assert set(machine.running) == units(1)


def test_a_first_deployment_that_fails_leaves_nothing_running(machine: Machine):
    # Given a machine where nothing ran, and a version whose bot does not start
    machine.publish({"run_bot.py": BROKEN_BOT})

    # When it is deployed
    done = machine.script("deploy_vps.sh", "--workers=1", NEUROCARDS_PATIENCE="2")

    # Then nothing runs
    assert done.returncode == 1
    assert "nothing ran before, so nothing runs now" in done.stdout
    assert machine.running == {}


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("WELCOME_CREDITS", "many", "WELCOME_CREDITS is malformed"),
        # The machine has no public address, and --polling was forgotten.
        ("PUBLIC_BASE_URL", "", "add --polling"),
    ],
)
def test_a_bad_setting_is_found_while_everything_still_runs(machine: Machine, name: str, value: str, said: str):
    # Given a running version, a newer one, and a setting that became wrong
    deployed(machine, "--workers=1")
    before, now = machine.running, machine.commit
    machine.publish({MIGRATION: NEXT_MIGRATION})
    machine.set(name, value)

    # When it is deployed
    done = machine.script("deploy_vps.sh", "--workers=1")

    # Then the setting is named, and the same processes run
    assert done.returncode == 1
    assert name in done.stderr and said in done.stderr
    assert (machine.running, machine.commit) == (before, now)


def test_a_setting_that_only_the_next_version_wants_is_missed_while_everything_still_runs(machine: Machine):
    # Given a running version, and a newer one that wants more
    deployed(machine, "--workers=1")
    before = machine.running
    config = (machine.clone / "neurocards" / "config.py").read_text()
    machine.publish({"neurocards/config.py": f'{config}\n\nraise SystemExit("NEW_ONE is missing")\n'})

    # When it is deployed, then it is missed before anything is stopped
    done = machine.script("deploy_vps.sh", "--workers=1")
    assert done.returncode == 1
    assert "NEW_ONE is missing" in done.stderr
    assert machine.running == before


def test_nothing_is_upgraded_without_a_backup(machine: Machine):
    # Given a running version, a newer one with a migration, and a database that can't be reached
    deployed(machine, "--workers=1")
    before = machine.running
    machine.publish({MIGRATION: NEXT_MIGRATION})
    machine.set("DATABASE_URL", "postgresql://neurocards:secret@127.0.0.1:9/neurocards")

    # When it is deployed, then the reason is named and the same processes run
    done = machine.script("deploy_vps.sh", "--workers=1")
    assert done.returncode == 1
    assert "no backup can be made: connection to server" in done.stderr
    assert "secret" not in done.stderr
    assert machine.running == before


def test_what_somebody_pulled_is_backed_up_and_rolled_back_all_the_same(machine: Machine):
    # Given a running version, and a newer one that somebody has pulled into the checkout
    deployed(machine, "--workers=1")
    good = machine.commit
    newest = machine.publish({"run_bot.py": BROKEN_BOT, MIGRATION: NEXT_MIGRATION})
    run("git", "pull", "-q", folder=machine.clone)
    assert machine.commit == newest

    # When it is deployed and is not well
    done = machine.script("deploy_vps.sh", "--workers=1", NEUROCARDS_PATIENCE="2")

    # Then there is a backup from before, and the version that was well runs
    assert done.returncode == 1
    assert f"rolled back: {good[:12]} runs; why" in done.stdout
    assert machine.commit == good
    assert len(list(machine.backups.glob("*.dump"))) == 1
    assert set(machine.running) == units(1)


def test_where_nothing_is_known_to_have_been_well_there_is_a_backup_first(machine: Machine):
    # Given tables with customers in them, a newer version in the checkout, and no word of an earlier deployment
    deployed(machine, "--workers=1")
    machine.publish({MIGRATION: NEXT_MIGRATION})
    run("git", "pull", "-q", folder=machine.clone)
    run("git", "update-ref", "-d", "refs/neurocards/deployed", folder=machine.clone)
    # When it is deployed, then the database was backed up before
    done = machine.script("deploy_vps.sh", "--workers=1")
    assert done.returncode == 0, done.stderr
    assert len(list(machine.backups.glob("*.dump"))) == 1


def test_the_account_of_the_services_can_read_all_whatever_roots_umask_is(machine: Machine):
    # Given a running version, and a newer one with other requirements
    deployed(machine, "--workers=1")
    machine.publish({"README.md": "next", MIGRATION: NEXT_MIGRATION})

    # When somebody whose files are private deploys it
    done = machine.script("deploy_vps.sh", "--workers=1", umask=0o077)

    # Then its files are for everybody, but for secrets and backups
    assert done.returncode == 0, done.stdout + done.stderr
    made = [machine.clone / "README.md", machine.clone / MIGRATION, machine.units / BOT]
    assert [oct(file.stat().st_mode & 0o777) for file in made] == ["0o644"] * 3
    assert (machine.clone / ".env").stat().st_mode & 0o777 == 0o640
    [backup] = machine.backups.glob("*.dump")
    assert backup.stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.getuid() != 0, reason="another account is needed")
def test_a_folder_that_keeps_the_account_of_the_services_out_is_named(machine: Machine):
    # Given a folder above the checkout that only root may enter
    machine.folder.chmod(0o700)

    # When it is deployed for another account, then the remedy is named and nothing runs
    done = machine.script("deploy_vps.sh", NEUROCARDS_USER="nobody")
    assert done.returncode == 1
    assert f"nobody can't read all of {machine.clone}: chmod go+rx '{machine.folder}'" in done.stderr
    assert machine.running == {}


def test_a_line_that_systemd_and_the_bot_read_differently_is_refused(machine: Machine):
    # Given each of these lines in .env
    good = (machine.clone / ".env").read_text()
    number = len(good.splitlines()) + 1
    for line in ("A=b # why", "export A=b", "A = b", "A=$HOME", "A=b c", 'A="b', r"A=b\nc", "sk-secret"):
        (machine.clone / ".env").write_text(f"{good}{line}\n")

        # When it is deployed
        done = machine.script("deploy_vps.sh")

        # Then the line's number is named, not what is in it, and systemd was asked for nothing
        assert done.returncode == 1
        assert f".env, line {number}: it should be NAME=value" in done.stderr
        assert line not in done.stderr
        assert not (machine.state / "calls").exists()


def test_a_second_deployment_at_once_is_refused(machine: Machine):
    # Given a deployment that is under way
    with (machine.clone / ".git" / "neurocards-deploy.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        # When another one starts
        done = machine.script("deploy_vps.sh")

    # Then it says so and does nothing
    assert done.returncode == 1
    assert "another deployment is at work here" in done.stderr
    assert not (machine.state / "calls").exists()


def test_edited_files_are_not_overwritten(machine: Machine):
    # Given a file that was edited on the machine, and a newer version
    (machine.clone / "README.md").write_text("mine")
    machine.publish({"README.md": "theirs"})

    # When it is deployed
    done = machine.script("deploy_vps.sh")

    # Then the edit is still there
    assert done.returncode == 1
    assert "files of the checkout were edited" in done.stderr
    assert (machine.clone / "README.md").read_text() == "mine"


def test_a_dry_run_says_what_would_be_done_and_does_nothing(machine: Machine):
    # Given a newer version with a migration
    newest, now = machine.publish({MIGRATION: NEXT_MIGRATION}), machine.commit

    # When a deployment is rehearsed
    done = machine.script("deploy_vps.sh", "--dry-run", "--workers=2")

    # Then it names versions, services and the upgrade, and nothing was changed
    assert done.returncode == 0
    assert f"from {now[:12]} to {newest[:12]}" in done.stdout
    assert f"afterwards: {BOT} {worker(1)} {worker(2)}" in done.stdout
    assert "the database will be backed up and upgraded" in done.stdout
    assert machine.commit == now
    assert list(machine.units.iterdir()) == []


def test_stop_all_and_restart_all_know_workers_started_by_hand(machine: Machine):
    # Given two deployed workers and a sixth started by hand
    deployed(machine, "--workers=2")
    machine_systemctl = machine.folder / "bin" / "systemctl"
    subprocess.run([machine_systemctl, "start", worker(6)], env=machine.environment, check=True)
    before = machine.running

    # When everything is restarted, stopped and started again
    assert machine.script("scripts/restart_all.sh").returncode == 0
    restarted = machine.running
    assert machine.script("scripts/stop_all.sh").returncode == 0
    stopped = machine.running
    assert machine.script("scripts/restart_all.sh").returncode == 0

    # Then the sixth was restarted and stopped like the others; what starts from nothing is what is enabled
    assert restarted.keys() == before.keys() == units(2) | {worker(6)}
    assert not set(restarted.values()) & set(before.values())
    assert stopped == {}
    assert set(machine.running) == units(2)


@pytest.fixture
def stocked(machine: Machine) -> Machine:
    """A machine where nothing runs and whose database has a user with a credit."""
    (machine.clone / ".venv").symlink_to(machine.packages)
    python = machine.clone / ".venv" / "bin" / "python3"
    subprocess.run([python, "scripts/migrate_db.py"], cwd=machine.clone, env=machine.environment, check=True)
    machine.backups.mkdir()
    machine.ask("INSERT INTO users (id, first_name, language, credits) VALUES (7, 'Анна', 'ru', 1)")
    machine.ask(
        "INSERT INTO ledger_entries (user_id, kind, amount, reason, actor) VALUES (7, 'grant', 1, 'welcome', 'bot')"
    )
    return machine


def back_up(machine: Machine) -> Path:
    done = machine.script("scripts/backup.sh", str(machine.backups))
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.splitlines()[-1])


def test_a_backup_is_complete_private_and_the_old_ones_go(stocked: Machine):
    # Given backups of eight and of six days ago, and something else in the folder
    old, recent, other = (stocked.backups / name for name in ("neurocards-1.dump", "neurocards-2.dump", "notes.dump"))
    for file, days in ((old, 8.5), (recent, 6), (other, 100)):
        file.touch()
        os.utime(file, (0, time.time() - days * 86_400))

    # When the database is backed up
    made = back_up(stocked)

    # Then only its owner can read it, what is older than a week is gone, and nothing unfinished is left
    assert made.stat().st_mode & 0o777 == 0o600
    assert {file.name for file in stocked.backups.iterdir()} == {made.name, recent.name, other.name}


def test_a_backup_that_fails_leaves_no_file(stocked: Machine):
    # Given a database that is not there
    settings = stocked.clone / ".env"
    settings.write_text(settings.read_text().replace(stocked.database, stocked.database + "_gone"))

    # When it is backed up
    done = stocked.script("scripts/backup.sh", str(stocked.backups))

    # Then that fails, and no file looks like a backup
    assert done.returncode != 0
    assert list(stocked.backups.iterdir()) == []


def test_the_drill_restores_into_a_database_of_its_own(stocked: Machine):
    # Given a backup with an order that was open then and is late by now, and a live database that went on
    environment = {**stocked.environment, "PYTHONPATH": str(stocked.clone)}
    command = [stocked.clone / ".venv" / "bin" / "python3", HERE / "late_order.py"]
    subprocess.run(command, cwd=stocked.clone, env=environment, check=True, capture_output=True)
    made = back_up(stocked)
    stocked.ask("UPDATE users SET first_name = 'Мария'")

    # When the drill is done
    done = stocked.script("scripts/restore.sh", str(made))

    # Then the audit held but for the clock, the rows are counted, and the live database is as it was
    assert done.returncode == 0, done.stdout + done.stderr
    assert "I1  a balance is the sum of its entries: holds" in done.stdout
    assert "deadline: BROKEN by jobs 1" in done.stdout
    assert "jobs: 1\n" in done.stdout
    assert stocked.ask("SELECT DISTINCT first_name FROM users") == [("Мария",)]
    fresh = done.stdout.split()[-1]
    assert fresh.startswith("neurocards_restored_")
    assert fresh in databases(stocked)
    drop(stocked, fresh)


def test_a_drill_finds_what_is_not_sound(stocked: Machine):
    # Given a backup of a balance that nobody granted
    stocked.ask("UPDATE users SET credits = 5")
    made = back_up(stocked)

    # When the drill is done, meant to become the live one
    live = stocked.database.rpartition("/")[2]
    done = stocked.script("scripts/restore.sh", str(made), "--into", live)

    # Then it fails with the user's id, and the live database is where it was
    assert done.returncode == 1
    assert "BROKEN by users 7" in done.stdout
    assert not any(name.startswith(f"{live}_before_") for name in databases(stocked))
    drop(stocked, done.stderr.split()[1])


def test_restoring_into_the_live_name_keeps_what_was_there(stocked: Machine):
    # Given a backup, and a live database that lost a user since
    made = back_up(stocked)
    stocked.ask("UPDATE users SET first_name = 'Мария'")
    live = stocked.database.rpartition("/")[2]

    # When it is restored over it
    done = stocked.script("scripts/restore.sh", str(made), "--into", live)

    # Then the backup is live, and what was there has another name
    assert done.returncode == 0, done.stdout + done.stderr
    assert stocked.ask("SELECT first_name FROM users") == [("Анна",)]
    drop(stocked, done.stdout.split()[-1])


def test_a_database_in_use_is_not_replaced(stocked: Machine):
    # Given a backup, and a live database that somebody is connected to
    made = back_up(stocked)
    live = stocked.database.rpartition("/")[2]
    with contextlib.closing(psycopg2.connect(stocked.database)):
        # When it is to take the live one's place
        done = stocked.script("scripts/restore.sh", str(made), "--into", live)

    # Then that is refused with the remedy
    assert done.returncode == 1
    assert "stop everything first: scripts/stop_all.sh" in done.stderr
    drop(stocked, next(word for word in done.stdout.split() if word.startswith("neurocards_restored_")))


def databases(machine: Machine) -> set[str]:
    return {name for (name,) in machine.ask("SELECT datname FROM pg_database")}


def drop(machine: Machine, name: str) -> None:
    """Removes what a restore left on the server."""
    subprocess.run(
        ["psql", "--quiet", f"--command=DROP DATABASE {name}", machine.database], env=machine.environment, check=True
    )


def test_a_password_is_in_no_argument(stocked: Machine):
    # Given an address with a password
    address = stocked.database.replace("://neurocards@", "://neurocards:p%40ss@")

    # When a program is run on it
    command = [stocked.clone / ".venv/bin/python3", stocked.clone / "scripts/with_database.py", "--name", "other"]
    shown = subprocess.run(
        [*command, "sh", "-c", "ps -o args= -p $$; echo $PGPASSWORD $PGDATABASE"],
        env={**stocked.environment, "DATABASE_URL": address}, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip

    # Then it is told in the environment alone
    assert shown.splitlines()[-1] == "p@ss other"
    assert "ss" not in shown.splitlines()[0].replace("PGPASSWORD", "")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_understands_the_units_and_finds_them_hardened(tmp_path: Path):
    # Given the unit files, with programs that exist on this machine
    for unit in (ROOT / "deploy" / "systemd").iterdir():
        text = unit.read_text().replace(
            "ExecStart=/var/neurocards/neurocards-bot/scripts/backup.sh", "ExecStart=/bin/true"
        )
        (tmp_path / unit.name.replace("@.", "@1.")).write_text(text)
    names = sorted(path.name for path in tmp_path.iterdir())
    environment = {**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"}

    # When systemd looks at them
    command = ["systemd-analyze", "verify", "--man=no", *names]
    verified = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    services = [name for name in names if name.endswith(".service")]
    exposure = [
        subprocess.run(
            ["systemd-analyze", "security", "--offline=true", "--threshold=20", name],
            cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
        ).returncode
        for name in services
    ]  # fmt: skip

    # Then it has nothing to say, and each is exposed 2.0 of 10 at most
    assert (verified.returncode, verified.stderr) == (0, "")
    assert exposure == [0] * len(services)

#!/usr/bin/env bash
# Brings this machine to the newest version of its branch, or leaves it with the one it had. The steps stand in `main`.
set -euo pipefail

usage() {
	cat <<'END'
Usage: ./deploy_vps.sh [--workers N] [--polling] [--dry-run]

Checks the settings, stops the services, updates the code, upgrades the database, starts the bot (webhook) and 5 workers,
and waits until all are well. If they are not, the version that was well last comes back. Safe to repeat; also the first install.

--workers N   this many workers (1 to 99)
--polling     the bot asks Telegram for updates, no public address needed
--dry-run     only say what would be done

Status: 0 done, 1 nothing changed or rolled back, 2 rolled back and still not well: somebody must look.

For unusual machines, from the environment:
NEUROCARDS_USER      the account that runs the services (neurocards; made if it isn't there)
NEUROCARDS_UNITS     where unit files go (/etc/systemd/system)
NEUROCARDS_BACKUPS   where the backup before a migration goes (/var/backups/neurocards)
NEUROCARDS_INSTALL   instead of an environment in .venv: a command that is given the requirements file ("pip3 install -r")
NEUROCARDS_PATIENCE  seconds until a service that isn't well counts as broken (90)
END
}

say() { echo "deploy: $*"; }

fail() {
	say "$*" >&2
	exit 1
}

read_arguments() {
	workers=5
	mode=webhook
	dry_run=''
	while (($#)); do
		case $1 in
		--help | -h) usage && exit 0 ;;
		--workers) workers=${2:-} && shift ;;
		--workers=*) workers=${1#*=} ;;
		--polling) mode=polling ;;
		--dry-run) dry_run=yes ;;
		*) fail "unknown argument $1; --help lists them" ;;
		esac
		shift || fail "--workers wants a number"
	done
	[[ $workers =~ ^[1-9][0-9]?$ ]] || fail "--workers wants a number from 1 to 99"
}

find_places() {
	user=${NEUROCARDS_USER:-neurocards}
	unit_folder=${NEUROCARDS_UNITS:-/etc/systemd/system}
	backups=${NEUROCARDS_BACKUPS:-/var/backups/neurocards}
	patience=${NEUROCARDS_PATIENCE:-90}
	export PATH="$PWD/.venv/bin:$PATH"
	last_well=refs/neurocards/deployed
	bot=neurocards-bot.service
	[[ $mode == polling ]] || bot=neurocards-bot-webhook.service
	wanted=("$bot")
	local n
	for ((n = 1; n <= workers; n++)); do wanted+=("neurocards-worker@$n.service"); done
}

take_lock() {
	exec 9>.git/neurocards-deploy.lock
	flock --nonblock 9 || fail "another deployment is at work here"
}

check_machine() {
	local tool
	for tool in git flock curl python3 systemctl sha256sum; do
		command -v "$tool" >/dev/null || fail "$tool is not installed"
	done
	[[ -w $unit_folder ]] || fail "$unit_folder can't be written to: run this as root"
	case $PWD/ in
	/home/* | /root/* | /run/user/*) fail "services can't see $PWD (ProtectHome): clone into /var/neurocards/neurocards-bot" ;;
	esac
	[[ -f .env ]] || fail "there is no .env: cp .env.example .env, then edit it"
	check_env_file .env
	[[ ! -e .env.owner ]] || check_env_file .env.owner
}

# systemd, the bot itself and Docker Compose all read .env, each by rules of its own. What is let through is the same to all.
check_env_file() {
	local name='[A-Za-z_][A-Za-z0-9_]*' plain="[^'\"\\\$[:space:]]*" double='"[^"\$]*"' single="'[^'\\\$]*'" bad
	bad=$(grep -anEv "^[[:space:]]*(#.*)?\$|^$name=($plain|$double|$single)[[:space:]]*\$" "$1" | cut -d: -f1 || true)
	[[ -z $bad ]] || fail "$1, line ${bad//$'\n'/, }: it should be NAME=value, with quotes if there are spaces, without \\, \$ or a comment behind"
}

find_versions() {
	[[ -z $(git status --porcelain --untracked-files=no) ]] || fail "files of the checkout were edited: git status; then git stash"
	branch=$(git symbolic-ref --quiet --short HEAD) || fail "the checkout is on no branch: git switch main"
	git -c gc.autoDetach=false fetch --quiet origin "$branch" || fail "origin can't be reached"
	newest=$(git rev-parse FETCH_HEAD)
	# Commits of one's own on top of origin's are deployed as they are.
	if git merge-base --is-ancestor "$newest" HEAD; then newest=$(git rev-parse HEAD); fi
	# The checkout may be ahead of what runs: somebody pulled.
	previous=$(git rev-parse --quiet --verify "$last_well" || true)
	if [[ ! $previous ]] || ! git merge-base --is-ancestor "$previous" HEAD; then previous=$(git rev-parse HEAD); fi
	git merge-base --is-ancestor HEAD "$newest" || fail "$branch and origin's have grown apart: git log HEAD...FETCH_HEAD"
	previous_venv=$(readlink .venv || true)
	mapfile -t running < <(systemctl list-units --plain --no-legend --state=active,activating \
		'neurocards-bot*.service' 'neurocards-worker@*.service' | awk '{ print $1 }')
}

tell_plan() {
	say "from ${previous:0:12} to ${newest:0:12} of $branch ($(git rev-list --count "$previous..$newest") commits)"
	say "running now: ${running[*]:-nothing}"
	say "afterwards: ${wanted[*]}"
	if new_migrations; then say "the database will be backed up and upgraded"; fi
}

new_migrations() {
	! git diff --quiet "$previous" "$newest" -- neurocards/migrations schema.sql
}

prepare_account() {
	id "$user" >/dev/null 2>&1 || useradd --system --user-group --home-dir /nonexistent --shell /usr/sbin/nologin "$user"
	group=$(id -gn "$user")
	chgrp "$group" .env
	chmod 640 .env
	[[ ! -e .env.owner ]] || chmod 600 .env.owner
	log_folder=$(sed -nE "s/^LOG_DIR=[\"']?([^\"']*)[\"']?\s*$/\1/p" .env | tail -n 1)
	if [[ $log_folder ]]; then install -d -m 0750 -o "$user" -g "$group" "$log_folder"; fi
	# By the whole path: the folders above must let the account through, too.
	git ls-files -z | as_service env -C "$PWD" xargs -0 cat >/dev/null 2>&1 ||
		fail "$user can't read all of $PWD: chmod go+rx '${PWD%/*}' && chmod -R go+rX '$PWD', then this again"
}

as_service() {
	if [[ $(id -un) == "$user" ]]; then "$@"; else runuser -u "$user" -- "$@"; fi
}

# install_requirements COMMIT: sets `venv`, an environment for each set of requirements, so that going back needs no network.
install_requirements() {
	local requirements
	requirements=$(mktemp)
	git show "$1:requirements.txt" >"$requirements"
	venv=''
	if [[ ${NEUROCARDS_INSTALL:-} ]]; then
		# shellcheck disable=SC2086  # a command with its arguments
		$NEUROCARDS_INSTALL "$requirements"
	else
		make_environment "$requirements"
	fi
	rm -f "$requirements"
}

make_environment() {
	local base key
	base=$(PATH=${PATH#"$PWD/.venv/bin:"} command -v "${PYTHON:-python3}")
	"$base" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "$base is older than Python 3.11: PYTHON=python3.12 $0"
	key=$(cat "$1" <("$base" --version) | sha256sum | cut -c 1-12)
	venv=.venvs/$key
	if [[ ! -e $venv/complete ]]; then
		say "installing requirements"
		"$base" -m venv --clear "$PWD/$venv"
		"$venv/bin/python3" -m pip install --quiet --disable-pip-version-check --no-input --require-hashes -r "$1"
		touch "$venv/complete"
	fi
}

port_of_the_bot='from neurocards.config import Settings, load_or_exit; print(load_or_exit(Settings).port)'

whether_there_are_tables='
import sys
from neurocards import config, db
db.connect(config.load_or_exit(config.DatabaseSettings).database_url.get_secret_value())
try:
    with db.db:
        print(db.db.table_exists("jobs"))
except db.PeeweeException as error:
    sys.exit(db.in_a_line(error))'

# Lays the new version out beside the one that runs.
unpack() {
	# Root's own folder for such things may be closed to the account of the services.
	code=$(TMPDIR=/tmp mktemp -d)
	trap 'rm -rf "$code"' EXIT
	git archive "$newest" neurocards | tar -x -C "$code"
	chmod 755 "$code"
}

# in_new_version PYTHON: runs that in it, with the settings as they are now.
in_new_version() {
	as_service env "PYTHONPATH=$code" "BOT_MODE=$mode" "${venv:+$PWD/$venv/bin/}python3" -P -c "$1"
}

# Reads all settings as the new bot will, while the old one still runs: a bad one is named here.
check_settings() {
	port=$(in_new_version "$port_of_the_bot") && return
	local hint=''
	[[ $mode == polling ]] || hint=', or add --polling if this machine has no public address'
	fail "nothing was changed: mend .env$hint"
}

back_up() {
	install -d -m 0700 "$backups"
	# Where nothing was ever well it isn't known what the database has had: it may be an older one's, restored.
	if git rev-parse --quiet --verify "$last_well" >/dev/null && ! new_migrations; then return 0; fi
	local tables
	tables=$(in_new_version "$whether_there_are_tables" 2>&1) || fail "nothing was changed, since no backup can be made: ${tables##*$'\n'}"
	if [[ ${tables##*$'\n'} == True ]]; then
		say "backing up"
		PATH="${venv:+$PWD/$venv/bin:}$PATH" scripts/backup.sh "$backups"
	fi
}

use_environment() {
	[[ $1 ]] || return 0
	if [[ -d .venv && ! -L .venv ]]; then
		previous_venv=.venvs/by-hand
		rm -rf "$previous_venv"
		mv .venv "$previous_venv"
	fi
	ln -sfn "$1" .venv
	hash -r # bash remembers where python3 was
}

# Those of this version and of the one before stay.
forget_environments() {
	local folder
	for folder in .venvs/*; do
		if [[ $folder != "$venv" && $folder != "$previous_venv" ]]; then rm -rf "$folder"; fi
	done
}

stop_services() {
	if [[ -e $unit_folder/neurocards.target ]]; then
		say "stopping"
		scripts/stop_all.sh
	fi
}

# The unit files say where and as whom by default; here they are told where and as whom it is.
install_units() {
	local unit
	for unit in deploy/systemd/*; do
		sed -e "s|/var/neurocards/neurocards-bot|$PWD|g" -e "s|/var/backups/neurocards|$backups|g" \
			-e "s|^User=.*|User=$user|" -e "s|^Group=.*|Group=$group|" \
			-e "s|^LogsDirectory=.*|&${log_folder:+\nReadWritePaths=$log_folder}|" "$unit" >"$unit_folder/${unit##*/}"
	done
	systemctl daemon-reload
}

# start_exactly UNIT...: these start now and with the machine, no others.
start_exactly() {
	local enabled
	mapfile -t enabled < <(cd "$unit_folder/neurocards.target.wants" 2>/dev/null && ls)
	if ((${#enabled[@]})); then systemctl --quiet disable "${enabled[@]}"; fi
	systemctl --quiet enable neurocards.target "$@"
	systemctl start neurocards.target "$@"
}

update() {
	git merge --quiet --ff-only "$newest"
	use_environment "$venv"
	migrate
	install_units
}

# The owner's address is not for the account of the services: its processes can read each other's environment.
migrate() {
	if [[ -e .env.owner ]]; then
		python3 scripts/with_database.py python3 scripts/migrate_db.py
	else
		as_service python3 scripts/migrate_db.py
	fi
}

workers_alive() {
	as_service python3 -m neurocards stats 2>/dev/null | sed -n 's/.*"workers_configured": \([0-9]*\).*/\1/p'
}

# well UNIT...: waits until the bot among them answers and as many workers beat; then none of them may have ended.
well() {
	local unit expected=0 alive=0 end=$((SECONDS + patience))
	for unit in "$@"; do [[ $unit != *worker* ]] || expected=$((expected + 1)); done
	until [[ $* != *-bot* ]] || curl --silent --fail --output /dev/null --max-time 3 "http://127.0.0.1:$port/readyz"; do
		((SECONDS < end)) || { say "the bot is not ready on port $port" && return 1; }
		sleep 0.5
	done
	until alive=$(workers_alive) && ((${alive:-0} >= expected)); do
		((SECONDS < end)) || { say "${alive:-0} of $expected workers are at work" && return 1; }
		sleep 1
	done
	for unit in "$@"; do
		systemctl --quiet is-active "$unit" || { say "$unit has ended" && return 1; }
	done
	say "well: $*"
}

# Whatever ended the deployment after the services were stopped: the version that ran comes back.
finish() {
	local status=$?
	trap - EXIT
	trap '' INT TERM HUP
	rm -rf "$code"
	if [[ $changing ]]; then
		set +e
		roll_back
		status=$?
	fi
	exit "$status"
}

roll_back() {
	say "FAILED: from ${newest:0:12} back to ${previous:0:12}. Upgrades of the database stay: they only add, and the old code doesn't mind them"
	# Commits made here and nowhere else must not be lost with the branch.
	git update-ref refs/neurocards/failed "$newest"
	say "what failed is kept: git log refs/neurocards/failed"
	stop_services
	git reset --quiet --keep "$previous"
	use_environment "$previous_venv"
	if [[ ${NEUROCARDS_INSTALL:-} ]]; then install_requirements "$previous"; fi
	install_units
	if ((${#running[@]} == 0)); then
		say "nothing ran before, so nothing runs now; why: journalctl -u 'neurocards-*' -n 50"
		return 1
	fi
	start_exactly "${running[@]}"
	port=$(as_service env BOT_MODE=polling python3 -c "$port_of_the_bot")
	if well "${running[@]}"; then
		say "rolled back: ${previous:0:12} runs; why: journalctl -u 'neurocards-*' -n 50"
		return 1
	fi
	say "rolled back, but ${previous:0:12} is not well either: is PostgreSQL there? docs/operations.md"
	return 2
}

main() {
	# Root's own may be stricter, and the account of the services has to read what is made here.
	umask 022
	cd "$(dirname "${BASH_SOURCE[0]}")"
	read_arguments "$@"
	find_places
	changing=''
	check_machine
	take_lock
	find_versions
	tell_plan
	[[ -z $dry_run ]] || exit 0
	prepare_account
	install_requirements "$newest"
	unpack
	check_settings
	back_up

	changing=yes
	trap finish EXIT
	trap 'exit 130' INT TERM HUP
	stop_services
	update
	say "starting"
	start_exactly "${wanted[@]}"
	well "${wanted[@]}"
	changing=''
	git update-ref "$last_well" "$newest"
	forget_environments
	say "done: ${newest:0:12} runs"
}

# The update puts another file in this one's place; bash has read this one to its end by then.
main "$@"

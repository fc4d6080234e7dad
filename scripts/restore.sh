#!/usr/bin/env bash
# Restores a backup into a database of its own and checks it: the drill. With --into it then takes the live one's place.
set -euo pipefail

usage() {
	cat <<'END'
Usage: scripts/restore.sh FILE [--into NAME]

Makes a new database neurocards_restored_YYYYMMDD_HHMMSS on the server of DATABASE_URL, restores FILE into it, upgrades it
to this version, runs `python -m neurocards audit` on it and prints how many rows each table has. The live database is
not touched. The role of DATABASE_URL must be allowed to create databases (ALTER ROLE neurocards_user CREATEDB).

--into NAME   when all that went well: rename NAME to NAME_before_YYYYMMDD_HHMMSS, and the new database to NAME. Stop
              everything first (scripts/stop_all.sh): a database in use can't be renamed. Nothing is ever dropped.
END
}

fail() {
	echo "restore: $*" >&2
	exit 1
}

# sql DATABASE [PSQL'S OPTIONS...]
sql() {
	PGDATABASE=$1 psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 "${@:2}"
}

read_arguments() {
	file=''
	into=''
	while (($#)); do
		case $1 in
		--help | -h) usage && exit 0 ;;
		--into) into=${2:-} && shift ;;
		-*) fail "unknown option $1; --help lists them" ;;
		*) file=$1 ;;
		esac
		shift || fail "--into wants a name"
	done
	[[ -r $file ]] || fail "which file? --help says more"
	[[ -z $into || $into =~ ^[a-z_][a-z0-9_]{0,35}$ ]] || fail "--into wants a name of small letters, digits and _"
}

restore() {
	sql "$PGDATABASE" --command="CREATE DATABASE $fresh"
	trap 'sql "$PGDATABASE" --command="DROP DATABASE $fresh"' EXIT
	echo "restore: $file into $fresh"
	pg_restore --exit-on-error --single-transaction --no-owner --no-privileges --dbname="$fresh" "$file"
	trap - EXIT
}

# Upgrades the new database and audits it. I7 and I10 look at the clock: orders open at the time of the backup are late by now.
check() {
	local report broken
	report=$(cd "$root" && python3 scripts/with_database.py --name "$fresh" sh -c \
		'python3 scripts/migrate_db.py && { python3 -m neurocards audit || true; }')
	echo "$report"
	[[ $report == *'I1 '* ]] || fail "the audit of $fresh did not run"
	broken=$(awk '/BROKEN/ && !/^I(7|10) /' <<<"$report")
	[[ -z $broken ]] || fail "$fresh is not sound; it stays for you to look at"
}

count_rows() {
	sql "$fresh" --tuples-only --no-align --field-separator=': ' <<'END'
SELECT format('SELECT %L, count(*) FROM %I', tablename, tablename) FROM pg_tables WHERE schemaname = 'public' ORDER BY 1
\gexec
END
}

# Both databases go on under new names: a rename that fails half-way is taken back.
take_place() {
	local old=${into}_before_$stamp
	sql "$fresh" --command="ALTER DATABASE $into RENAME TO $old" || fail "$into is in use or not there; stop everything first: scripts/stop_all.sh"
	if ! sql "$old" --command="ALTER DATABASE $fresh RENAME TO $into"; then
		sql "$fresh" --command="ALTER DATABASE $old RENAME TO $into"
		fail "$fresh is in use; nothing was changed"
	fi
	echo "restore: $into is the restored one now; what it was before is $old"
}

main() {
	read_arguments "$@"
	root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
	export PATH="$root/.venv/bin:$PATH"
	if [[ ${NEUROCARDS_RESTORE:-} != here ]]; then
		NEUROCARDS_RESTORE=here exec python3 "$root/scripts/with_database.py" "$root/scripts/restore.sh" "$@"
	fi
	stamp=$(date -u +%Y%m%d_%H%M%S)
	fresh=neurocards_restored_$stamp
	restore
	check
	count_rows
	if [[ $into ]]; then take_place; else echo "restore: sound. To remove it again: DROP DATABASE $fresh"; fi
}

main "$@"

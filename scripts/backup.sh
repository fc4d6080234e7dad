#!/usr/bin/env bash
# Backs the database up into one file that is complete and readable, or into none.
set -euo pipefail

usage() {
	cat <<'END'
Usage: scripts/backup.sh [--keep DAYS] [FOLDER]

Dumps the database of DATABASE_URL into FOLDER/neurocards-YYYYMMDD-HHMMSS.dump (UTC), reads the file once to the end,
then removes those older than DAYS (7). FOLDER is /var/backups/neurocards unless given. The last line is the file's path.
The bot and the workers may go on meanwhile. pg_dump must not be older than the server: put the right one first in PATH.
END
}

fail() {
	echo "backup: $*" >&2
	exit 1
}

read_arguments() {
	folder=/var/backups/neurocards
	keep=7
	while (($#)); do
		case $1 in
		--help | -h) usage && exit 0 ;;
		--keep) keep=${2:-} && shift ;;
		-*) fail "unknown option $1; --help lists them" ;;
		*) folder=$1 ;;
		esac
		shift
	done
	[[ $keep =~ ^[0-9]{1,4}$ ]] || fail "--keep wants a number of days"
}

main() {
	read_arguments "$@"
	local root
	root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
	export PATH="$root/.venv/bin:$PATH"
	umask 077
	mkdir -p "$folder" || fail "$folder can't be made"
	folder=$(cd "$folder" && pwd)
	local file
	file=$folder/neurocards-$(date -u +%Y%m%d-%H%M%S).dump
	partial=$(mktemp "$folder/.unfinished-XXXXXXXX")
	trap 'rm -f "$partial"' EXIT

	# Photos are most of it, and they are compressed already.
	python3 "$root/scripts/with_database.py" pg_dump --format=custom --compress=1 --file="$partial"
	[[ $(pg_restore --list "$partial") == *'TABLE DATA public jobs '* ]] || fail "the dump has no jobs in it"
	pg_restore --file=/dev/null "$partial" || fail "the dump can't be read to its end"
	sync "$partial"
	mv "$partial" "$file"
	find "$folder" -maxdepth 1 -name 'neurocards-*.dump' -mtime "+$keep" -delete
	du -h "$file" | awk '{ print "backup: " $1 }'
	echo "$file"
}

main "$@"

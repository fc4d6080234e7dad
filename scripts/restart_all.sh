#!/usr/bin/env bash
# Restarts the bot and every worker that runs, also those started by hand, and starts what is enabled and doesn't run.
set -euo pipefail

# Patterns find what systemd has in memory, which may be a bot that should not run: "try" leaves that as it is.
systemctl try-restart 'neurocards-bot*.service' 'neurocards-worker@*.service'
systemctl start neurocards.target
systemctl --no-pager --plain --no-legend list-units 'neurocards-bot*.service' 'neurocards-worker@*.service'

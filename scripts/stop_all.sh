#!/usr/bin/env bash
# Stops the bot and every worker, and returns when they are gone. What is enabled starts again with the machine, or by restart_all.sh.
set -euo pipefail

# The services too: systemctl waits for what it was told by name, and the target is down before they are.
systemctl stop neurocards.target 'neurocards-bot*.service' 'neurocards-worker@*.service'
echo "all stopped; orders wait in PostgreSQL"

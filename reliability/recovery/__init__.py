"""How long it takes until all goes on: after a worker's death, and after a minute without PostgreSQL or Valkey."""

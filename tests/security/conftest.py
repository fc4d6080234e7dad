"""What the gates need of other tests: a running system, and a worker as a value."""

from tests.acceptance.conftest import anna, client, records, rows, system
from tests.integration.conftest import worker

__all__ = ["anna", "client", "records", "rows", "system", "worker"]

"""The composition root of the workers: `dramatiq actors` imports this in each of its processes.

The order is load-bearing: settings, then the broker with its middleware, then the actors, which bind to the broker and have their
options checked against its middleware when they are imported. Nothing connects here.
"""

import dramatiq

import middleware
from neurocards import app as application
from neurocards import dispatch, logs
from neurocards.config import Settings, load_or_exit

settings = load_or_exit(Settings)
logs.configure(application.worker_name(settings.log_dir), settings.log_dir, settings.secrets())
app = application.build(settings)
broker = dispatch.make_broker(settings.redis_url.get_secret_value(), middleware.stack(app))
dramatiq.set_broker(broker)

from actors import announce, check, deliver, script, submit, tell

__all__ = ["announce", "broker", "check", "deliver", "script", "submit", "tell"]

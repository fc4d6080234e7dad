"""Stand-in for KIE: tasks that render real videos, uploads, credit, callbacks, limits and faults."""

from flask import Blueprint

from sandbox.kie import control, jobs, plans, uploads, wire
from sandbox.kie.provider import Kie
from sandbox.world import World


def blueprint(world: World) -> Blueprint:
    """KIE's API, its file host and its control routes, on one new provider."""
    kie = Kie(world)
    world.faults.declare("kie", plans.KINDS, plans.check_fault)
    whole = Blueprint("kie", __name__)
    for name, part in (("jobs", jobs), ("uploads", uploads)):
        routes = Blueprint(name, __name__)
        wire.attach(routes, kie)
        part.add_routes(routes, kie)
        whole.register_blueprint(routes)
    whole.register_blueprint(control.blueprint(kie))
    return whole

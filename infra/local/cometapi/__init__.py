"""A simulated CometAPI: the real HTTP of its video endpoint, its videos, and all that may go wrong with both."""

from infra.local.cometapi.answer_bodies import STATUS_WORDS
from infra.local.cometapi.client import RemoteCometApi
from infra.local.cometapi.request_log import Request
from infra.local.cometapi.script import Step
from infra.local.cometapi.server import SimulatedCometApi
from infra.local.cometapi.simulator import Expected

__all__ = ["STATUS_WORDS", "Expected", "RemoteCometApi", "Request", "SimulatedCometApi", "Step"]

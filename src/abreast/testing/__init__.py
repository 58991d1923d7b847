"""Tools for tests: time under control, the simulation, and the conformance suites."""

from .clock import ManualClock
from .invariants import InvariantBroken
from .simulation import Simulation

__all__ = ["InvariantBroken", "ManualClock", "Simulation"]

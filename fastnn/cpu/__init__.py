"""The CPU engine: kernels in loops, a table of instructions, a team of threads."""

from fastnn.cpu.machine import Machine
from fastnn.cpu.team import core_count, resolve_threads

__all__ = ["Machine", "core_count", "resolve_threads"]

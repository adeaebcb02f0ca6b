"""Plans: a graph turned into a flat list of instructions over placed buffers."""

from fastnn.plan.buffer import FLAT_VECTORS, Buffer
from fastnn.plan.builder import MODES, build_plan
from fastnn.plan.instruction import Instruction, Plan

__all__ = ["FLAT_VECTORS", "MODES", "Buffer", "Instruction", "Plan", "build_plan"]

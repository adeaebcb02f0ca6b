"""From plain Python functions to compiled units: typed literals, collected sources, a cache that can't go stale."""

from fastnn.compile.folders import cache_folder
from fastnn.compile.source import typed_source
from fastnn.compile.units import Unit, listeners

__all__ = ["Unit", "cache_folder", "listeners", "typed_source"]

"""How many threads the next steps get: the whole team, or one while others take its cores.

Threads that meet several times a step all wait for the slowest. On idle cores that costs a microsecond; where another process computes on a core too, the
thread there is away for milliseconds at a time, and a step of 20 us took 400. One thread alone only takes twice as long then. The number of threads changes no bit
of the result, so it may follow what is measured.
"""

from __future__ import annotations

import time

__all__ = ["Pace"]

CROWDED = 0.85
"""Share of the team's time on its cores below which somebody else was on them."""
TWICE = 2
"""Looks in a row that found somebody before one thread is tried: everybody is away once in a while."""
PIECE = 5e-3
"""Seconds until the next look; how long the first steps of a team that comes back may take is a fifth of it."""
SHORTEST, LONGEST = 0.2, 3.2
"""Seconds until the team is tried again: doubled each time that one thread was faster."""


class Pace:
    """`threads` are for the next `steps(left)` steps; what they took is told to `saw`."""

    def __init__(self, most: int, cores: int) -> None:
        self.most, self.threads = most, most
        self._cores = min(most, cores)
        self._seconds: dict[int, float] = {}  # that a step took, by the number of threads
        self._crowded = 0  # looks one after the other that found somebody else on the cores
        self._pause = SHORTEST
        self._again = 0.0  # when to try the other number of threads, on the clock of perf_counter
        self._trying = False

    def steps(self, left: int) -> int:
        """How many steps until the next look."""
        seconds = self._seconds.get(self.threads, self._seconds.get(self.most, PIECE))
        return max(1, min(left, int((PIECE / 5 if self._trying else PIECE) / max(seconds, 1e-9))))

    def saw(self, steps: int, wall: float, cpu: float) -> None:
        """The steps took `wall` seconds, and the process `cpu` seconds of its cores' time."""
        if steps == 0:
            return
        now, seconds = time.perf_counter(), wall / steps
        before = self._seconds.get(self.threads)
        self._seconds[self.threads] = seconds
        if self._trying:
            self._decide(now)
        elif self.threads == 1:
            self._try(self.most if now >= self._again else 1)
        elif before is None or cpu >= CROWDED * self._cores * wall or now < self._again:
            self._crowded = 0  # (the first look has seen threads that were hired)
        else:
            self._crowded += 1
            if self._crowded == TWICE:
                self._seconds[self.most] = min(before, seconds)
                self._try(1)

    def _try(self, threads: int) -> None:
        self._trying = threads != self.threads
        self.threads = threads

    def _decide(self, now: float) -> None:
        """Both were measured, one just now: go on with the faster."""
        faster = min(self._seconds, key=lambda threads: self._seconds[threads])
        if faster == self.most:
            self._pause = SHORTEST
        elif self.threads == self.most:
            self._pause = min(2 * self._pause, LONGEST)
        self._again = now + self._pause
        self.threads, self._trying, self._crowded = faster, False, 0

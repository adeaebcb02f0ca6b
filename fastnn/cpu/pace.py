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
"""Seconds until the next look; a fifth of it while something is tried."""
TRIAL = 0.02
"""Seconds that are enough to compare: on busy cores one step is no measure."""
KEPT = 0.9
"""Weight of what was seen before, at every look."""
SHORTEST, LONGEST = 0.2, 3.2
"""Seconds until the team is tried again: doubled each time that one thread was faster."""


class Pace:
    """`threads` are for the next `steps(left)` steps; what they took is told to `saw`."""

    def __init__(self, most: int, cores: int) -> None:
        self.most, self.threads = most, most
        self._cores = min(most, cores)
        self._sums: dict[int, tuple[float, float]] = {}  # seconds and steps of late, by the number of threads
        self._crowded = 0  # looks one after the other that found somebody else on the cores
        self._pause = SHORTEST
        self._again = 0.0  # when to try the other number of threads, on the clock of perf_counter
        self._trying = False

    def steps(self, left: int) -> int:
        """How many steps until the next look."""
        wall, steps = self._sums.get(self.threads) or next(iter(self._sums.values()), (PIECE, 1.0))
        piece = PIECE / 5 if self._trying else PIECE
        return max(1, min(left, int(piece * steps / max(wall, 1e-9))))

    def saw(self, steps: int, wall: float, cpu: float) -> None:
        """The steps took `wall` seconds, and the process `cpu` seconds of its cores' time."""
        if steps == 0:
            return
        now = time.perf_counter()
        before = self._sums.get(self.threads, (0.0, 0.0))
        kept = 1.0 if self._trying else KEPT
        self._sums[self.threads] = kept * before[0] + wall, kept * before[1] + steps
        if self._trying:
            if self._sums[self.threads][0] >= TRIAL:
                self._decide(now)
        elif self.threads == 1:
            if now >= self._again:
                self._try(self.most)
        elif before[1] == 0:  # that was the time to hire threads
            self._sums[self.threads] = wall / 10, steps / 10
        elif cpu >= CROWDED * self._cores * wall or now < self._again:
            self._crowded = 0
        else:
            self._crowded += 1
            if self._crowded == TWICE:
                self._try(1)

    def _try(self, threads: int) -> None:
        self.threads, self._trying = threads, True
        self._sums.pop(threads, None)

    def _decide(self, now: float) -> None:
        """Both were measured, one just now: go on with the faster."""
        faster = min(self._sums, key=lambda threads: self._sums[threads][0] / self._sums[threads][1])
        if faster == self.most:
            self._pause = SHORTEST
        elif self.threads == self.most:
            self._pause = min(2 * self._pause, LONGEST)
        self._again = now + self._pause
        self.threads, self._trying, self._crowded = faster, False, 0

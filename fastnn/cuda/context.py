"""Whose call reaches the GPU: its context in every thread, what is lent out and given back, and why a forked child is refused.

The device's primary context is used, which other libraries share. A launch does not ask whose context is current, for that costs as much as a
third of the launch; it is set where a launch fails for it, and in every other call.
"""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from fastnn.cuda.failure import failure
from fastnn.cuda.held import Thread
from fastnn.errors import DeviceError

__all__ = ["Context"]

NON_BLOCKING = 1
"""CU_STREAM_NON_BLOCKING: no waiting for CUDA's default stream, and nobody's work there spoils a recording."""

_contexts: weakref.WeakSet[Context] = weakref.WeakSet()


class Context:
    """The primary context of a device, its two streams, and the checked way to call the driver."""

    def __init__(self, driver: Any, ordinal: int) -> None:
        self.driver = driver
        self.success = driver.CUresult.CUDA_SUCCESS
        self.threads = threading.local()
        self.forked = False
        self._guard = threading.RLock()
        self._recording = False
        self._returned: deque[tuple[Callable[..., Any], Any]] = deque()
        self.do("starting CUDA", driver.cuInit, 0)
        self.device = self.do(f"opening GPU {ordinal}", driver.cuDeviceGet, ordinal)
        self.handle = self.do("using the GPU", driver.cuDevicePrimaryCtxRetain, self.device)
        self.do("using the GPU", driver.cuCtxSetCurrent, self.handle)
        self.work = self.do("making a stream", driver.cuStreamCreate, NON_BLOCKING)
        self.beside = self.do("making a stream", driver.cuStreamCreate, NON_BLOCKING)
        _watch_forks()
        _contexts.add(self)

    def do(self, what: str, call: Callable[..., Any], *arguments: Any) -> Any:
        """What the driver returns beside its code; a code other than success becomes an error that says `what` failed."""
        try:
            code, *values = call(*arguments)
        except ValueError as error:
            raise DeviceError(
                f"{what} failed: {call.__name__} gives {error}",
                hint="the driver is newer than its bindings: pip install --upgrade cuda-bindings",
            ) from error
        if code is not self.success:
            raise failure(self.driver, code, call.__name__, what)
        return values[0] if len(values) == 1 else tuple(values)

    def here(self) -> Thread:
        """This thread's own things; the context is current from now on."""
        try:
            here: Thread = self.threads.here
        except AttributeError:
            return self.enter()
        self.do("using the GPU", self.driver.cuCtxSetCurrent, self.handle)
        return here

    def enter(self) -> Thread:
        """`here` for a thread that calls for the first time."""
        if self.forked:
            raise DeviceError(
                "this process was forked from one that uses the GPU, and CUDA does not survive a fork",
                hint="start worker processes by multiprocessing's 'spawn' or 'forkserver', or use the GPU after the fork only",
            )
        self.do("using the GPU", self.driver.cuCtxSetCurrent, self.handle)
        here = self.threads.here = Thread(self.work)
        return here

    def outside(self, what: str) -> Thread:
        """`here`, for what cannot be recorded."""
        here = self.here()
        if here.recorded is not None:
            raise DeviceError(
                f"{what} is not possible while launches are recorded",
                hint="do it before: a graph holds launches, copies on the device and zeroing",
            )
        return here

    @contextlib.contextmanager
    def guarded(self, recording: bool = False) -> Iterator[None]:
        """One thread at a time allocates, loads, gives back or records: the first three can spoil a recording."""
        with self._guard, self._tolerant():
            self._recording = recording
            try:
                yield
            finally:
                self._recording = False
        self.sweep()

    @contextlib.contextmanager
    def _tolerant(self) -> Iterator[None]:
        """Also where another library records a graph of its own: CUDA would refuse these calls, and break off that recording."""
        exchange = self.driver.cuThreadExchangeStreamCaptureMode
        code, mode = exchange(self.driver.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_RELAXED)
        try:
            yield
        finally:
            if code is self.success:
                exchange(mode)

    def lend(self, thing: Any, give_back: Callable[..., Any], handle: Any) -> None:
        """When nobody holds `thing` any more, `give_back(handle)` is called; at the end of the process the driver takes all back by itself."""
        weakref.finalize(thing, _hand_in, self, give_back, handle).atexit = False

    def hand_in(self, give_back: Callable[..., Any], handle: Any) -> None:
        """Called by finalizers: in any thread, at any moment, and in forked children, where nothing may be touched."""
        if not self.forked:
            self._returned.append((give_back, handle))
            self.sweep()

    def sweep(self) -> None:
        """Give back what was handed in, when the GPU is done with it; never waits for another thread, who sweeps at its end."""
        while self._returned and self._guard.acquire(blocking=False):
            try:
                if self._recording:
                    return
                self._give_back()
            finally:
                self._guard.release()

    def _give_back(self) -> None:
        """The codes of these calls are not looked at: after an error the next call that somebody makes will say so."""
        driver = self.driver
        driver.cuCtxPushCurrent(self.handle)  # this thread may be at work for somebody else
        try:
            with self._tolerant():
                driver.cuStreamSynchronize(self.work)
                driver.cuStreamSynchronize(self.beside)
                with contextlib.suppress(IndexError):  # a finalizer may come between a look and a popleft
                    while True:
                        give_back, handle = self._returned.popleft()
                        give_back(handle)
        finally:
            driver.cuCtxPopCurrent()

    def forget(self) -> None:
        """In a forked child: from now on every thread is new, and is refused."""
        self.forked = True
        self.threads = threading.local()
        self._guard = threading.RLock()
        self._returned.clear()


def _hand_in(context: Context, give_back: Callable[..., Any], handle: Any) -> None:
    context.hand_in(give_back, handle)


_watching = False


def _watch_forks() -> None:
    """Have children know that they are children."""
    global _watching
    if not _watching and hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_forget)
    _watching = True


def _forget() -> None:
    for context in list(_contexts):
        context.forget()

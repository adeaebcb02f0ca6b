"""A GPU, through the CUDA driver (`cuda.bindings.driver`): memory, copies, launches, recorded graphs.

Work goes to one stream, in order; uploads beside it to a second one. What other libraries do on CUDA's default stream waits for neither,
nor they for it. Nothing of CUDA is imported before a `Gpu` is made.
"""

from __future__ import annotations

import gc
import hashlib
import importlib
import struct
import weakref
from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from fastnn.cuda.context import NON_BLOCKING, Context
from fastnn.cuda.failure import failure, out_of_memory, size
from fastnn.cuda.held import Function, Graph, HostMemory, Image, Memory, Pages, Thread, host_place, owner
from fastnn.cuda.kernels import load_function
from fastnn.cuda.presence import why_not
from fastnn.cuda.staging import HALF, SMALL, Staging
from fastnn.errors import DeviceError, DeviceMemoryError
from fastnn.locks import Lock

__all__ = ["Gpu", "the_gpu", "why_not"]

NO_TIMING = 2
"""CU_EVENT_DISABLE_TIMING: events that only order work cost less."""

OF_ANOTHER_CONTEXT = frozenset({201, 400, 709})
"""What a launch returns when another library has made its own context current in this thread."""


class Gpu:
    """One GPU. Its methods may be called from any thread; work is done in the order of the calls.

    name             as the driver calls it
    cc               compute capability, as (9, 0)
    multiprocessors  how many it has
    memory_bytes     of memory in all
    shared_bytes     most shared memory that a block may have

    A process that was forked from one that uses the GPU cannot use it: every method raises DeviceError there.
    """

    def __init__(self, ordinal: int = 0) -> None:
        driver: Any = importlib.import_module("cuda.bindings.driver")
        self._driver = driver
        self._context = context = Context(driver, ordinal)
        self._do = do = context.do
        self._success = context.success
        self._launch_kernel = driver.cuLaunchKernel
        self._launch_cooperative = driver.cuLaunchCooperativeKernel
        self._launch_graph = driver.cuGraphLaunch
        self._images: weakref.WeakValueDictionary[bytes, Image] = weakref.WeakValueDictionary()
        self._staging: Staging | None = None
        self._staging_lock = Lock()

        name: bytes = do("asking for the GPU's name", driver.cuDeviceGetName, 128, context.device)
        self.name = bytes(name).partition(b"\0")[0].decode(errors="replace")
        self.cc = (self._fact("COMPUTE_CAPABILITY_MAJOR"), self._fact("COMPUTE_CAPABILITY_MINOR"))
        self.multiprocessors = self._fact("MULTIPROCESSOR_COUNT")
        self.shared_bytes = self._fact("MAX_SHARED_MEMORY_PER_BLOCK_OPTIN")
        self.memory_bytes = int(do(f"asking {self.name}", driver.cuDeviceTotalMem, context.device))
        self._joined = do("making an event", driver.cuEventCreate, NO_TIMING)
        self._split = do("making an event", driver.cuEventCreate, NO_TIMING)

    def _fact(self, name: str) -> int:
        attribute = getattr(self._driver.CUdevice_attribute, f"CU_DEVICE_ATTRIBUTE_{name}")
        ask = self._driver.cuDeviceGetAttribute
        return int(self._do(f"asking {self.name}", ask, attribute, self._context.device))

    # Memory

    def free_bytes(self) -> int:
        """Bytes of device memory that nobody uses now."""
        self._context.here()
        free, _ = self._do("asking for free memory", self._driver.cuMemGetInfo)
        return int(free)

    def allocate(self, nbytes: int, what: str = "") -> Memory:
        """Device memory, zeroed, given back when nobody holds it. `what` it is for stands in the error when it does not fit."""
        context = self._context
        context.outside("allocating memory")
        try:
            memory = self._allocate(nbytes)
        except DeviceMemoryError:
            gc.collect()  # memory may hang in cycles that Python has not looked at yet
            context.sweep()
            try:
                memory = self._allocate(nbytes)
            except DeviceMemoryError:
                free = self.free_bytes()
                raise out_of_memory(nbytes, what, free, self.memory_bytes, self.name) from None
        self.zero(memory.address, nbytes)
        self.fork()  # or an upload beside could arrive before the zeros
        return memory

    def _allocate(self, nbytes: int) -> Memory:
        with self._context.guarded():
            address = int(self._do("allocating memory", self._driver.cuMemAlloc, max(nbytes, 1)))
            memory = Memory(address, nbytes)
            self._context.lend(memory, self._driver.cuMemFree, address)
        return memory

    def pinned(self, nbytes: int) -> HostMemory:
        """Page-locked memory of the host, from which uploads run beside the work."""
        context = self._context
        context.outside("page-locking memory")
        with context.guarded():
            what = f"page-locking {size(nbytes)} of the host's memory"
            try:
                address = int(self._do(what, self._driver.cuMemHostAlloc, max(nbytes, 1), 0))
            except DeviceMemoryError as error:
                error.hint = "a smaller batch, or a higher limit of memory for this process or its container"
                raise
            pages = Pages(address, nbytes)
            context.lend(pages, self._driver.cuMemFreeHost, address)
        return HostMemory(pages, address, nbytes)

    # Copies

    def upload(self, address: int, array: NDArray[Any]) -> None:
        """Copy a C-contiguous host array to the device, after all work so far. On return the array may be changed."""
        self._context.outside("uploading")
        source, nbytes = host_place(array), array.nbytes
        if nbytes > SMALL:
            self._to_device(address, source, nbytes)
            self._reach_end(self._context.work)  # the copy may read the array until then
        elif nbytes:
            self._small_uploads().send(address, array)

    def download(self, array: NDArray[Any], address: int) -> None:
        """Copy from the device into a C-contiguous host array; waits for all work before."""
        self._context.outside("downloading")
        target, work = host_place(array, write=True), self._context.work
        self._move("downloading", self._driver.cuMemcpyDtoHAsync, target, address, array.nbytes, work)
        self._reach_end(work)

    def upload_beside(self, address: int, array: NDArray[Any]) -> None:
        """Copy from page-locked memory (`pinned`) while work goes on; returns at once. Until `wait_beside` or `wait`, leave the array alone."""
        self._context.outside("uploading")
        source, beside = host_place(array), self._context.beside
        if owner(array) is None:
            raise DeviceError(
                "an upload beside the work has to come from page-locked memory",
                hint="a view of Gpu.pinned(nbytes).array, or Gpu.upload",
            )
        self._move("uploading", self._driver.cuMemcpyHtoDAsync, address, source, array.nbytes, beside)

    def join(self) -> None:
        """Work from now on waits for the uploads beside it so far."""
        self._context.outside("joining the streams")
        self._order(self._joined, self._context.beside, self._context.work)

    def fork(self) -> None:
        """Uploads beside the work wait, from now on, for what was launched so far."""
        self._context.outside("splitting the streams")
        self._order(self._split, self._context.work, self._context.beside)

    def copy(self, to: int, source: int, nbytes: int) -> None:
        """Copy on the device, in order; the two places must not overlap."""
        here = self._context.here()
        self._move("copying", self._driver.cuMemcpyDtoDAsync, to, source, nbytes, here.stream)

    def zero(self, address: int, nbytes: int) -> None:
        """Zeros on the device, in order."""
        here = self._context.here()
        self._move("zeroing", self._driver.cuMemsetD8Async, address, 0, nbytes, here.stream)

    # Kernels

    def load(self, image: bytes, entry: str) -> Function:
        """A kernel of a cubin, all of whose arguments are int64."""
        context, driver = self._context, self._driver
        context.outside("loading a kernel")
        what = f"loading kernel {entry!r} on {self.name}"
        with context.guarded():
            key = hashlib.blake2b(image, digest_size=16).digest()
            loaded = self._images.get(key)
            if loaded is None:
                loaded = Image(self._do(what, driver.cuModuleLoadData, image))
                context.lend(loaded, driver.cuModuleUnload, loaded.handle)
                self._images[key] = loaded
            return load_function(context, loaded, entry, what)

    def launch(
        self,
        function: Function,
        blocks: int,
        threads: int,
        arguments: tuple[int, ...],
        shared: int = 0,
        cooperative: bool = False,
    ) -> None:
        """Launch `blocks` blocks of `threads` threads, with `shared` bytes of dynamic shared memory each; returns before they have run.

        A cooperative launch may use barriers of the whole grid, and has at most `blocks_at_once` blocks.
        """
        try:
            here: Thread = self._context.threads.here
        except AttributeError:
            here = self._context.enter()
        if shared > function.dynamic_bytes:
            self._opt_in(function, shared)
        handle, stream, block = function.handle, here.stream, here.block
        try:
            function.pack(here.values, 0, *arguments)
            if cooperative:
                (code,) = self._launch_cooperative(handle, blocks, 1, 1, threads, 1, 1, shared, stream, block)
            else:
                (code,) = self._launch_kernel(handle, blocks, 1, 1, threads, 1, 1, shared, stream, block, 0)
        except (struct.error, OverflowError, TypeError, ValueError) as error:
            raise DeviceError(
                f"kernel {function.entry!r} cannot be launched like this: {error}",
                got=f"{blocks!r} blocks of {threads!r} threads, arguments {arguments}",
                expected=f"{function.parameters} int64",
            ) from error
        if code is not self._success:
            self._launch_again(code, here, function, (blocks, threads, shared), cooperative)
        if here.recorded is not None:
            here.recorded.append(function)

    def _launch_again(
        self, code: Any, here: Thread, function: Function, shape: tuple[int, int, int], cooperative: bool
    ) -> None:
        """After a launch that failed: once more where the reason was another library's context, or else the error."""
        call, more = (self._launch_cooperative, ()) if cooperative else (self._launch_kernel, (0,))
        blocks, threads, shared = shape
        if int(code) in OF_ANOTHER_CONTEXT:
            self._context.here()
            (code,) = call(
                function.handle, blocks, 1, 1, threads, 1, 1, shared, here.stream, here.block, *more
            )
            if code is self._success:
                return
        raise failure(
            self._driver,
            code,
            call.__name__,
            f"launching kernel {function.entry!r}",
            got=f"{blocks} blocks of {threads} threads, {shared} bytes of dynamic shared memory",
            expected=f"1 to {function.most_threads} threads a block (a thread has {function.registers} registers)",
        )

    def blocks_at_once(self, function: Function, threads: int, shared: int = 0) -> int:
        """Blocks of a kernel that the whole device holds together: the most that a cooperative launch may have."""
        self._context.here()
        if shared > function.dynamic_bytes:
            self._opt_in(function, shared)
        ask = self._driver.cuOccupancyMaxActiveBlocksPerMultiprocessor
        what = f"asking how many blocks of {threads} threads of kernel {function.entry!r} fit"
        return int(self._do(what, ask, function.handle, threads, shared)) * self.multiprocessors

    def _opt_in(self, function: Function, shared: int) -> None:
        """More dynamic shared memory than every kernel has. What is too much is for the driver to say, which keeps some for itself."""
        self._context.here()
        attribute = self._driver.CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
        what = f"asking for {shared} bytes of dynamic shared memory for kernel {function.entry!r}"
        now = self._do(what, self._driver.cuFuncGetAttribute, attribute, function.handle)
        allowed = max(int(now), shared)  # the kernel may be loaded twice, and have more already
        try:
            self._do(what, self._driver.cuFuncSetAttribute, function.handle, attribute, allowed)
        except DeviceError as error:
            error.expected = (
                f"at most {self.shared_bytes} on {self.name}, less {function.shared_bytes} static"
            )
            raise
        function.dynamic_bytes = allowed

    # Graphs

    def record(self, launches: Callable[[], None]) -> Graph:
        """A graph of everything that `launches()` launches, copies on the device and zeroes; nothing runs yet.

        Other threads go on meanwhile: what they launch is not recorded; what they allocate or load waits. The graph keeps its kernels; the
        memory they work on is for the caller to keep.
        """
        context, driver = self._context, self._driver
        here = context.outside("recording")
        with context.guarded(recording=True):
            stream = self._do("making a stream", driver.cuStreamCreate, NON_BLOCKING)
            try:
                captured, functions = self._capture(here, stream, launches)
            finally:
                driver.cuStreamDestroy(stream)
            try:
                handle = self._do("making a graph", driver.cuGraphInstantiate, captured, 0)
            finally:
                driver.cuGraphDestroy(captured)
            graph = Graph(handle, functions)
            context.lend(graph, driver.cuGraphExecDestroy, handle)
            self._do("uploading a graph", driver.cuGraphUpload, handle, context.work)
        return graph

    def _capture(self, here: Thread, stream: Any, launches: Callable[[], None]) -> tuple[Any, list[Function]]:
        """The graph as CUDA captured it. Relaxed: what other libraries call meanwhile, in a finalizer say, does not spoil it."""
        driver = self._driver
        relaxed = driver.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_RELAXED
        self._do("recording", driver.cuStreamBeginCapture, stream, relaxed)
        here.stream, here.recorded = stream, []
        try:
            launches()
            functions = here.recorded
        except BaseException:
            code, captured = driver.cuStreamEndCapture(stream)
            if code is self._success:
                driver.cuGraphDestroy(captured)
            raise
        finally:
            here.stream, here.recorded = self._context.work, None
        return self._do("recording", driver.cuStreamEndCapture, stream), functions

    def replay(self, graph: Graph) -> None:
        """Launch everything that was recorded, in its order."""
        try:
            here: Thread = self._context.threads.here
        except AttributeError:
            here = self._context.enter()
        if here.recorded is not None:
            self._context.outside("replaying a graph")
        (code,) = self._launch_graph(graph.handle, here.stream)
        if code is not self._success:
            self._context.here()  # the current context may have been another library's
            self._do("replaying a graph", self._launch_graph, graph.handle, here.stream)

    # Waiting

    def wait(self) -> None:
        """Wait for all work and all uploads."""
        self._context.outside("waiting")
        self._reach_end(self._context.work)
        self._reach_end(self._context.beside)

    def wait_beside(self) -> None:
        """Wait for the uploads beside the work only: their page-locked memory may be written again."""
        self._context.outside("waiting")
        self._reach_end(self._context.beside)

    def _reach_end(self, stream: Any) -> None:
        self._do("waiting for the GPU", self._driver.cuStreamSynchronize, stream)

    def _order(self, event: Any, first: Any, then: Any) -> None:
        """What goes to stream `then` from now on waits for what stream `first` has to do."""
        self._do("ordering two streams", self._driver.cuEventRecord, event, first)
        self._do("ordering two streams", self._driver.cuStreamWaitEvent, then, event, 0)

    def _to_device(self, address: int, source: int, nbytes: int) -> None:
        self._move("uploading", self._driver.cuMemcpyHtoDAsync, address, source, nbytes, self._context.work)

    def _move(
        self, verb: str, call: Callable[..., Any], to: int, source: int, nbytes: int, stream: Any
    ) -> None:
        if nbytes > 0:
            self._do(f"{verb} {nbytes} bytes", call, to, source, nbytes, stream)

    def _small_uploads(self) -> Staging:
        with self._staging_lock:
            if self._staging is None:
                do, driver = self._do, self._driver
                events = [do("making an event", driver.cuEventCreate, NO_TIMING) for _ in range(2)]
                self._staging = Staging(
                    self.pinned(2 * HALF),
                    (events[0], events[1]),
                    self._to_device,
                    lambda event: do("marking uploads", driver.cuEventRecord, event, self._context.work),
                    lambda event: do("waiting for uploads", driver.cuEventSynchronize, event),
                )
            return self._staging


_starting = Lock()
_gpu: Gpu | None = None


def the_gpu() -> Gpu:
    """The GPU that `device="cuda"` means: the first one, or the first of CUDA_VISIBLE_DEVICES. Raises DeviceError that says what is absent."""
    global _gpu
    with _starting:
        if _gpu is None:
            why = why_not()
            if why is not None:
                raise DeviceError(f"there is no GPU to use here\n{why}")
            _gpu = Gpu()
        _gpu._context.here()
        return _gpu

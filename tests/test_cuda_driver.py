"""The host's side of a GPU, over a stand-in for the driver: what is launched with which arguments and in which order, what is given back, and
what is said when something fails. No GPU and no wheel of NVIDIA's takes part; what a GPU computes is tested elsewhere.
"""

import gc
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from fake_cuda import CUresult, FakeDriver

from fastnn.cuda import context as contexts
from fastnn.cuda import driver
from fastnn.errors import DeviceError, DeviceMemoryError, FastnnError


@pytest.fixture
def fake(monkeypatch):
    fake = FakeDriver()
    monkeypatch.setitem(sys.modules, "cuda.bindings.driver", fake)
    return fake


@pytest.fixture
def gpu(fake):
    return driver.Gpu()


def events(fake, *kinds):
    return [note for note in fake.notes if note[1] in kinds]


def kinds(fake):
    return sorted(kind for kind, _, _ in fake.live.values())


def downloaded(gpu, address, n):
    out = np.empty(n, np.int64)
    gpu.download(out, address)
    return out.tolist()


def test_what_a_gpu_knows_of_itself(gpu):
    assert (gpu.name, gpu.cc, gpu.multiprocessors) == ("Fake GPU", (9, 0), 10)
    assert (gpu.memory_bytes, gpu.shared_bytes, gpu.free_bytes()) == (1 << 24, 232448, 1 << 24)


def test_memory_is_zeroed_and_given_back(gpu, fake):
    memory = gpu.allocate(64, "a row")
    assert memory.nbytes == 64 and downloaded(gpu, memory.address, 8) == [0] * 8
    assert gpu.free_bytes() == gpu.memory_bytes - 64
    empty = gpu.allocate(0)
    assert empty.nbytes == 0 and empty.address != memory.address
    del memory, empty
    assert gpu.free_bytes() == gpu.memory_bytes


def test_zeros_come_before_uploads_beside(gpu, fake):
    fake.notes.clear()
    gpu.allocate(64)
    work, beside = gpu._context.work, gpu._context.beside
    order = [note[:2] for note in fake.notes if note[0] in (work, beside)]
    assert order[:3] == [(work, "set"), (work, "mark"), (beside, "after")]


def test_out_of_memory_says_what_was_needed_and_what_is_free(gpu):
    held = gpu.allocate(1 << 20)
    with pytest.raises(DeviceMemoryError) as caught:
        gpu.allocate(1 << 24, "the arena of batch 4096")
    text = str(caught.value)
    assert "the arena of batch 4096 needs 16.8 MB" in text and "15.7 MB free of 16.8 MB (Fake GPU)" in text
    assert "smaller batch" in text and isinstance(caught.value, MemoryError)
    assert held.nbytes == 1 << 20


def test_memory_that_hangs_in_a_cycle_is_found_before_giving_up(gpu):
    cycle = [gpu.allocate(3 << 22)]
    cycle.append(cycle)
    del cycle
    assert gpu.allocate(3 << 22).nbytes == 3 << 22


def test_uploads_leave_the_array_to_its_owner(gpu, fake):
    memory = gpu.allocate(1 << 20)
    large, small = np.arange(1 << 14), np.arange(3)
    gpu.upload(memory.address, large)
    assert fake.notes[-1] == (gpu._context.work, "wait")
    fake.notes.clear()
    gpu.upload(memory.address, small)
    assert not events(fake, "wait")
    assert downloaded(gpu, memory.address, 5) == [0, 1, 2, 3, 4]
    for number in range(40_000):  # several times around the page-locked memory that small uploads go through
        small[0] = number
        gpu.upload(memory.address, small)
    assert downloaded(gpu, memory.address, 2) == [39_999, 1]
    assert [note for note in events(fake, "after") if note[0] == "host"]  # for the half that is written again
    assert not [note for note in events(fake, "wait") if note[0] == gpu._context.beside]


def test_copies_and_zeros_on_the_device(gpu):
    memory = gpu.allocate(64)
    gpu.upload(memory.address, np.arange(8))
    gpu.copy(memory.address + 32, memory.address + 8, 16)
    gpu.zero(memory.address, 8)
    assert downloaded(gpu, memory.address, 8) == [0, 1, 2, 3, 1, 2, 6, 7]
    gpu.copy(memory.address, memory.address, 0)
    gpu.upload(memory.address, np.empty(0))


@pytest.mark.parametrize("array", [np.zeros((4, 4)).T[1:], np.zeros(8)[::2]])
def test_arrays_with_gaps_are_refused(gpu, array):
    memory = gpu.allocate(128)
    with pytest.raises(DeviceError, match="has to be C-contiguous"):
        gpu.upload(memory.address, array)
    with pytest.raises(DeviceError, match="C-contiguous and writable"):
        gpu.download(array, memory.address)


def test_uploads_beside_come_from_page_locked_memory(gpu, fake):
    memory, pinned = gpu.allocate(64), gpu.pinned(64)
    numbers = pinned.array.view(np.int64)
    numbers[:] = 5
    fake.notes.clear()
    gpu.fork()
    gpu.upload_beside(memory.address, numbers[:4])
    gpu.join()
    gpu.wait_beside()
    work, beside = gpu._context.work, gpu._context.beside
    order = [note[:2] for note in fake.notes if note[0] in (work, beside)]
    assert order == [
        (work, "mark"),
        (beside, "after"),
        (beside, "move"),
        (beside, "mark"),
        (work, "after"),
        (beside, "wait"),
    ]
    assert downloaded(gpu, memory.address, 5) == [5, 5, 5, 5, 0]
    with pytest.raises(DeviceError, match="page-locked"):
        gpu.upload_beside(memory.address, np.zeros(4))


def test_page_locked_memory_lives_as_long_as_an_array_in_it(gpu, fake):
    pinned = gpu.pinned(64)
    part = pinned.array.view(np.int64)[3:5]
    del pinned
    assert kinds(fake).count("pinned") == 1
    del part
    assert kinds(fake).count("pinned") == 0


def test_arguments_reach_the_kernel_as_int64(gpu, fake):
    function = gpu.load(b"cubin", "affine")
    gpu.launch(function, 3, 64, (0x7F00_1234_5678, -2))
    gpu.launch(function, np.int64(5), 32, (np.int64(1), 2), shared=100, cooperative=True)
    work = gpu._context.work
    assert events(fake, "launch", "cooperate") == [
        (work, "launch", "affine", 3, 64, 0, (0x7F00_1234_5678, -2)),
        (work, "cooperate", "affine", 5, 32, 100, (1, 2)),
    ]


def test_every_thread_has_arguments_of_its_own(gpu, fake):
    function = gpu.load(b"cubin", "affine")

    def launches(n):
        for _ in range(200):
            gpu.launch(function, 1, 32, (n, -n))

    threads = [threading.Thread(target=launches, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    values = [note[-1] for note in events(fake, "launch")]
    assert sorted(values) == sorted((n, -n) for n in range(4) for _ in range(200))


@pytest.mark.parametrize("arguments", [(1,), (1, 2, 3), (1.5, 2), (1 << 70, 2)])
def test_wrong_arguments_are_refused(gpu, fake, arguments):
    function = gpu.load(b"cubin", "affine")
    with pytest.raises(DeviceError, match="kernel 'affine' cannot be launched like this") as caught:
        gpu.launch(function, 1, 32, arguments)
    assert "expected  2 int64" in str(caught.value) and not events(fake, "launch")


def test_a_kernel_with_other_arguments_than_int64_is_refused(gpu, fake):
    fake.parameters = (8, 4)
    with pytest.raises(DeviceError, match="argument 1 of kernel 'affine' is no int64"):
        gpu.load(b"cubin", "affine")


def test_shared_memory_beyond_48_KiB_is_asked_for_when_it_grows(gpu, fake):
    function = gpu.load(b"cubin", "affine")  # with 1 KiB of static shared memory
    gpu.launch(function, 1, 32, (1, 2), shared=47 << 10)
    assert not events(fake, "allow")
    for shared in ((47 << 10) + 1, 60_000, 50_000, 60_000):
        gpu.launch(function, 1, 32, (1, 2), shared=shared)
    assert gpu.blocks_at_once(function, 256, 200_000) == 10 * 8
    assert [note[2] for note in events(fake, "allow")] == [(47 << 10) + 1, 60_000, 200_000]
    gpu.launch(gpu.load(b"cubin", "affine"), 1, 32, (1, 2), shared=70_000)
    assert fake.allowed == 200_000, "loaded twice, the kernel keeps what it has"
    with pytest.raises(DeviceError, match="asking for 232000 bytes of dynamic shared memory") as caught:
        gpu.launch(function, 1, 32, (1, 2), shared=232_000)
    assert "at most 232448 on Fake GPU, less 1024 static" in str(caught.value)


def test_an_image_is_loaded_once_and_unloaded_with_its_last_kernel(gpu, fake):
    first, second = gpu.load(b"cubin", "affine"), gpu.load(b"cubin", "relu")
    assert kinds(fake).count("module") == 1
    del first
    assert kinds(fake).count("module") == 1
    del second
    assert kinds(fake).count("module") == 0


def test_a_graph_replays_what_was_recorded(gpu, fake):
    memory, kernels = gpu.allocate(64), [gpu.load(b"cubin", "affine")]

    def launches():
        gpu.launch(kernels[0], 1, 32, (1, 2))
        gpu.copy(memory.address, memory.address + 8, 8)
        gpu.zero(memory.address, 8)
        gpu.launch(kernels[0], 2, 32, (3, 4), cooperative=True)

    fake.notes.clear()
    graph = gpu.record(launches)
    ((stream, recorded),) = fake.graphs.items()
    assert [note[1] for note in recorded] == ["launch", "move", "set", "cooperate"]
    assert stream not in (gpu._context.work, gpu._context.beside) and not events(
        fake, "launch", "move", "set"
    )
    gpu.replay(graph)
    gpu.launch(kernels[0], 1, 32, (5, 6))
    assert [note[:2] for note in events(fake, "replay", "launch")] == [
        (gpu._context.work, "replay"),
        (gpu._context.work, "launch"),
    ]
    kernels.clear()
    assert kinds(fake) == ["executable", "memory", "module", "stream", "stream"]
    del graph
    assert kinds(fake) == ["memory", "stream", "stream"]


def test_other_threads_launch_on_while_one_records(gpu, fake):
    function = gpu.load(b"cubin", "affine")

    def launches():
        gpu.launch(function, 1, 32, (1, 1))
        other = threading.Thread(target=gpu.launch, args=(function, 1, 32, (2, 2)))
        other.start()
        other.join()

    gpu.record(launches)
    ((_, recorded),) = fake.graphs.items()
    assert [note[-1] for note in recorded] == [(1, 1)]
    assert [note[-1] for note in events(fake, "launch")] == [(2, 2)]


@pytest.mark.parametrize(
    "call",
    [
        lambda gpu: gpu.allocate(8),
        lambda gpu: gpu.pinned(8),
        lambda gpu: gpu.upload(0, np.zeros(1)),
        lambda gpu: gpu.download(np.zeros(1), 0),
        lambda gpu: gpu.load(b"cubin", "affine"),
        lambda gpu: gpu.record(lambda: None),
        lambda gpu: gpu.wait(),
        lambda gpu: gpu.join(),
        lambda gpu: gpu.fork(),
    ],
    ids=["allocate", "pinned", "upload", "download", "load", "record", "wait", "join", "fork"],
)
def test_what_cannot_be_recorded_is_refused_and_leaves_nothing_behind(gpu, fake, call):
    with pytest.raises(DeviceError, match="not possible while launches are recorded"):
        gpu.record(lambda: call(gpu))
    assert fake.capturing is None and kinds(fake) == ["stream", "stream"]
    call_after = gpu.allocate(8)
    assert call_after.nbytes == 8


def test_nothing_is_given_back_while_a_graph_is_recorded(gpu, fake):
    box = [gpu.allocate(64)]

    def launches():
        box.clear()
        gc.collect()
        assert kinds(fake).count("memory") == 1

    graph = gpu.record(launches)
    assert kinds(fake).count("memory") == 0 and graph.functions == frozenset()


def test_a_finalizer_never_waits_for_another_thread(gpu, fake):
    box, recording, dropped = [gpu.allocate(64)], threading.Event(), threading.Event()

    def launches():
        recording.set()
        assert dropped.wait(10)

    thread = threading.Thread(target=gpu.record, args=(launches,))
    thread.start()
    assert recording.wait(10)
    box.clear()
    dropped.set()
    thread.join()
    assert kinds(fake).count("memory") == 0


def test_another_library_s_context_is_no_failure(gpu, fake):
    function = gpu.load(b"cubin", "affine")
    for cooperative, name in ((False, "cuLaunchKernel"), (True, "cuLaunchCooperativeKernel")):
        fake.fail[name] = CUresult.CUDA_ERROR_INVALID_CONTEXT
        fake.notes.clear()
        gpu.launch(function, 1, 32, (7, 8), cooperative=cooperative)
        assert [note[1] for note in fake.notes] == ["current", "cooperate" if cooperative else "launch"]


def test_failures_name_the_call_the_reason_and_a_step(gpu, fake):
    function = gpu.load(b"cubin", "affine")
    fake.fail["cuLaunchCooperativeKernel"] = CUresult.CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE
    with pytest.raises(DeviceError) as caught:
        gpu.launch(function, 999, 256, (1, 2), cooperative=True)
    text = str(caught.value)
    assert "launching kernel 'affine' failed: cuLaunchCooperativeKernel gives" in text
    assert "CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE (in words, error 720)" in text
    assert (
        "999 blocks of 256 threads" in text
        and "1 to 512 threads a block" in text
        and "blocks_at_once" in text
    )

    fake.fail["cuStreamSynchronize"] = CUresult.CUDA_ERROR_ILLEGAL_ADDRESS
    with pytest.raises(DeviceError, match="cuStreamSynchronize gives CUDA_ERROR_ILLEGAL_ADDRESS") as caught:
        gpu.wait()
    assert "start a new one" in str(caught.value)

    fake.fail["cuModuleLoadData"] = CUresult.CUDA_ERROR_NO_BINARY_FOR_GPU
    with pytest.raises(DeviceError, match="compiled for another GPU"):
        gpu.load(b"another", "affine")

    fake.fail["cuGraphInstantiate"] = CUresult.CUDA_ERROR_OUT_OF_MEMORY
    with pytest.raises(DeviceMemoryError, match="cuGraphInstantiate"):
        gpu.record(lambda: None)
    assert kinds(fake).count("graph") == 0 and issubclass(DeviceError, FastnnError)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_is_refused_and_touches_nothing(gpu, fake):
    memory, function = gpu.allocate(8), gpu.load(b"cubin", "affine")
    child = os.fork()
    if child == 0:
        status = 1
        try:
            fake.notes.clear()
            for call in (
                gpu.free_bytes,
                gpu.wait,
                lambda: gpu.launch(function, 1, 32, (1, 2)),
                lambda: gpu.allocate(8),
            ):
                with pytest.raises(DeviceError, match="forked"):
                    call()
            del memory, function
            gc.collect()
            status = 0 if not fake.notes else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    gpu.launch(function, 1, 32, (1, 2))
    assert memory.nbytes == 8 and not gpu._context.forked and gpu._context in contexts._contexts


def test_importing_the_driver_imports_nothing_of_cuda():
    code = "import sys, fastnn.cuda.driver\nprint([n for n in sys.modules if n.split('.')[0] in ('cuda', 'numba_cuda')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

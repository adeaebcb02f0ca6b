"""The driver code on a real GPU: what is promised of order, memory, graphs and failures, by kernels of a few lines."""

import gc
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from fastnn.cuda.compiler import image
from fastnn.cuda.driver import the_gpu
from fastnn.cuda.resources import resources
from fastnn.errors import DeviceError, DeviceMemoryError

pytestmark = pytest.mark.cuda

HEAD = """import numpy as np
from fastnn.cuda.toolkit import cuda, grid_barrier, pointer

def kernel(words, run):
    x = pointer(words, np.int64)
    first = cuda.grid(1) == 0
"""
BODIES = {
    "add": "    if first:\n        x[0] += run\n",
    "multiply": "    if first:\n        x[0] *= run\n",
    "slow": "    if first:\n        for k in range(run):\n            x[1] = x[1] * 3 + 1\n",
    "fault": "    if first:\n        x[0] = run\n",
    "shared": """    s = cuda.shared.array(0, np.int64)
    for i in range(cuda.threadIdx.x, run, cuda.blockDim.x):
        s[i] = i
    cuda.syncthreads()
    if first:
        x[0] += s[run - 1] + s[run // 2]
""",
    "meet": """    if cuda.threadIdx.x == 0:
        x[1 + cuda.blockIdx.x] = run + cuda.blockIdx.x
    grid_barrier()
    if first:
        total = 0
        for b in range(cuda.gridDim.x):
            total += x[1 + b]
        x[0] += total
""",
}
SLOW = 200_000
"""Turns of `slow`: each waits for memory, so this takes many milliseconds, in which what is out of order shows."""


@pytest.fixture
def gpu():
    gpu = the_gpu()
    yield gpu
    gpu.wait()


def kernel(gpu, name):
    made = image(HEAD + BODIES[name], gpu.cc, f"driver_{name}")
    return gpu.load(made.code, made.entry)


def number(gpu, memory, at=0):
    out = np.empty(1, np.int64)
    gpu.download(out, memory.address + 8 * at)
    return int(out[0])


def test_a_gpu_says_what_it_is(gpu):
    assert gpu.name and gpu.cc >= (7, 5) and gpu.multiprocessors > 0
    assert 0 < gpu.free_bytes() < gpu.memory_bytes and gpu.shared_bytes >= 48 << 10


def test_arguments_arrive_and_memory_starts_at_zero(gpu):
    memory = gpu.allocate(1 << 20)
    out = np.empty(1 << 17, np.int64)
    gpu.download(out, memory.address)
    assert not out.any() and memory.address % 256 == 0
    gpu.launch(kernel(gpu, "add"), 3, 64, (memory.address, -(1 << 40)))
    assert number(gpu, memory) == -(1 << 40)


@pytest.mark.parametrize("n", [1, 1000, 1 << 13, 1 << 20])
def test_an_array_may_be_changed_after_its_upload(gpu, n):
    memory, slow, wanted = gpu.allocate(8 * max(n, 2)), kernel(gpu, "slow"), np.arange(n) + 7
    scratch = gpu.allocate(16)
    for _ in range(3):
        gpu.launch(slow, 1, 32, (scratch.address, SLOW))
        array = wanted.copy()
        gpu.upload(memory.address, array)
        array[:] = -1
        out = np.empty(n, np.int64)
        gpu.download(out, memory.address)
        np.testing.assert_array_equal(out, wanted)


def test_many_small_uploads_arrive_in_order(gpu):
    memory, slow, scratch = gpu.allocate(8 * 4000), kernel(gpu, "slow"), gpu.allocate(16)
    gpu.launch(slow, 1, 32, (scratch.address, SLOW))
    word, row = np.empty(1, np.int64), np.empty(4000, np.int64)
    for n in range(200):
        row[:] = n
        gpu.upload(memory.address, row)
    for n in range(4000):
        word[0] = n
        gpu.upload(memory.address + 8 * n, word)
    out = np.empty(4000, np.int64)
    gpu.download(out, memory.address)
    np.testing.assert_array_equal(out, np.arange(4000))


def test_uploads_beside_wait_for_fork_and_work_waits_for_join(gpu):
    memory, pinned = gpu.allocate(16), gpu.pinned(16)
    slow, add, total = kernel(gpu, "slow"), kernel(gpu, "add"), gpu.allocate(8 * 30)
    words = pinned.array.view(np.int64)
    for k in range(30):
        gpu.wait_beside()
        words[:] = 100 * k
        gpu.fork()  # not before the copy below of the last turn
        gpu.upload_beside(memory.address, words[:1])
        gpu.join()
        gpu.launch(slow, 1, 32, (memory.address, SLOW // 20))
        gpu.launch(add, 1, 32, (memory.address, k))
        gpu.copy(total.address + 8 * k, memory.address, 8)
    out = np.empty(30, np.int64)
    gpu.download(out, total.address)
    np.testing.assert_array_equal(out, 101 * np.arange(30))


def test_new_memory_is_zero_before_an_upload_beside(gpu):
    pinned, slow, scratch = gpu.pinned(8), kernel(gpu, "slow"), gpu.allocate(16)
    pinned.array.view(np.int64)[0] = 5
    gpu.launch(slow, 1, 32, (scratch.address, SLOW))
    memory = gpu.allocate(8)
    gpu.upload_beside(memory.address, pinned.array)
    gpu.wait()
    assert number(gpu, memory) == 5


def test_shared_memory_up_to_the_limit_of_the_device(gpu):
    shared, memory = kernel(gpu, "shared"), gpu.allocate(8)
    total = 0
    for nbytes in (1 << 10, 48 << 10, 64 << 10, gpu.shared_bytes // 8 * 8):
        n = nbytes // 8
        gpu.launch(shared, 1, 128, (memory.address, n), shared=nbytes)
        total += n - 1 + n // 2
        assert number(gpu, memory) == total
    with pytest.raises(DeviceError, match=r"asking for \d+ bytes of dynamic shared memory"):
        gpu.launch(shared, 1, 128, (memory.address, 1), shared=gpu.shared_bytes + 8)
    assert gpu.blocks_at_once(shared, 128, gpu.shared_bytes // 8 * 8) == gpu.multiprocessors


def test_as_many_blocks_meet_as_the_device_holds(gpu):
    meet = kernel(gpu, "meet")
    blocks = gpu.blocks_at_once(meet, 128)
    memory = gpu.allocate(8 * (1 + blocks))
    for turn in (1, 2):
        gpu.launch(meet, blocks, 128, (memory.address, 3), cooperative=True)
        assert number(gpu, memory) == turn * (3 * blocks + blocks * (blocks - 1) // 2)
    with pytest.raises(DeviceError, match="COOPERATIVE_LAUNCH_TOO_LARGE"):
        gpu.launch(meet, blocks + 1, 128, (memory.address, 3), cooperative=True)
    assert number(gpu, memory) == 2 * (3 * blocks + blocks * (blocks - 1) // 2), "the failure harmed nothing"


def test_a_graph_runs_what_was_recorded_in_its_order(gpu):
    kernels = {name: kernel(gpu, name) for name in ("add", "multiply", "meet", "shared")}
    memory, kept = gpu.allocate(8 * 9), gpu.allocate(24)
    opted = 60_000 // 8

    def launches():
        gpu.launch(kernels["add"], 1, 32, (memory.address, 3))
        gpu.launch(kernels["multiply"], 1, 32, (memory.address, 10))
        gpu.launch(kernels["meet"], 8, 128, (memory.address, 0), cooperative=True)
        gpu.launch(kernels["shared"], 1, 128, (memory.address, opted), shared=8 * opted)
        gpu.copy(kept.address + 8, memory.address, 8)
        gpu.zero(kept.address, 8)
        gpu.launch(kernels["add"], 1, 32, (kept.address, 1))

    graph = gpu.record(launches)
    assert number(gpu, memory) == 0, "recording runs nothing"
    expected = 0
    for _ in range(3):
        gpu.replay(graph)
        expected = (expected + 3) * 10 + 28 + opted - 1 + opted // 2
    assert [number(gpu, memory), number(gpu, kept), number(gpu, kept, 1)] == [expected, 1, expected]
    kernels.clear()  # the graph keeps them loaded
    gc.collect()
    gpu.replay(graph)
    del graph  # while it runs
    assert number(gpu, memory) == (expected + 3) * 10 + 28 + opted - 1 + opted // 2


def test_a_graph_of_a_thousand_launches(gpu):
    add, memory = kernel(gpu, "add"), gpu.allocate(8)
    graph = gpu.record(lambda: [gpu.launch(add, 1, 32, (memory.address, n)) for n in range(1000)] and None)
    for _ in range(10):
        gpu.replay(graph)
    assert number(gpu, memory) == 10 * 999 * 500


def test_recording_goes_on_after_a_recording_that_failed(gpu):
    add, memory = kernel(gpu, "add"), gpu.allocate(8)
    for call in (gpu.wait, lambda: gpu.allocate(8), lambda: gpu.launch(add, 0, 32, (memory.address, 1))):
        with pytest.raises(DeviceError):
            gpu.record(call)
    gpu.replay(gpu.record(lambda: gpu.launch(add, 1, 32, (memory.address, 4))))
    assert number(gpu, memory) == 4


def test_threads_launch_record_and_free_together(gpu):
    add, errors = kernel(gpu, "add"), []

    def work():
        try:
            memory, total = gpu.allocate(8), 0
            for n in range(100):
                graph = gpu.record(lambda: gpu.launch(add, 1, 32, (memory.address, 1)))
                gpu.replay(graph)
                gpu.launch(add, 1, 32, (memory.address, n))
                total += 1 + n
                cycle = [gpu.allocate(1 << 16), graph]
                cycle.append(cycle)
            assert number(gpu, memory) == total
        except Exception as error:  # noqa: BLE001  for the thread that started this one
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors


def test_memory_that_does_not_fit_is_told_and_the_next_fits(gpu):
    with pytest.raises(DeviceMemoryError, match="the arena needs") as caught:
        gpu.allocate(2 * gpu.memory_bytes, "the arena")
    assert "free of" in str(caught.value)
    gc.collect()
    free = gpu.free_bytes()
    for _ in range(20):
        gpu.allocate(free // 2)
    assert gpu.free_bytes() >= free - (1 << 22)


@pytest.mark.parametrize("name", sorted(BODIES))
def test_the_driver_and_the_cubin_agree_on_what_a_kernel_takes(gpu, name):
    made = image(HEAD + BODIES[name], gpu.cc, f"driver_{name}")
    loaded, read = gpu.load(made.code, made.entry), resources(made.code)[made.entry]
    assert (loaded.registers, loaded.parameters) == (read.registers, 2)


def test_a_kernel_that_writes_astray_is_told_and_the_process_ends(gpu):
    code = f"""
import numpy as np
from fastnn.cuda.compiler import image
from fastnn.cuda.driver import the_gpu
gpu = the_gpu()
made = image({HEAD + BODIES["fault"]!r}, gpu.cc, "driver_fault")
kept = gpu.allocate(8), gpu.pinned(8)
gpu.launch(gpu.load(made.code, made.entry), 1, 32, (8, 1))
try:
    gpu.wait()
except Exception as error:
    print(type(error).__name__, error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300
    )
    assert "DeviceError" in done.stdout and "CUDA_ERROR_ILLEGAL_ADDRESS" in done.stdout
    assert "start a new one" in done.stdout and done.stderr == ""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_is_refused_and_its_parent_goes_on(gpu):
    memory, add = gpu.allocate(8), kernel(gpu, "add")
    child = os.fork()
    if child == 0:
        status = 1
        try:
            with pytest.raises(DeviceError, match="forked"):
                gpu.launch(add, 1, 32, (memory.address, 1))
            with pytest.raises(DeviceError, match="forked"):
                the_gpu()
            del memory, add
            gc.collect()
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    gpu.launch(add, 1, 32, (memory.address, 5))
    assert number(gpu, memory) == 5

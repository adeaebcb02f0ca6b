"""A stand-in for cuda.bindings.driver: device memory is the host's, launches are noted with the arguments that a driver would read."""

import ctypes
import enum
import types

CUresult = enum.IntEnum(
    "CUresult",
    {
        "CUDA_SUCCESS": 0,
        "CUDA_ERROR_INVALID_VALUE": 1,
        "CUDA_ERROR_OUT_OF_MEMORY": 2,
        "CUDA_ERROR_INVALID_CONTEXT": 201,
        "CUDA_ERROR_NO_BINARY_FOR_GPU": 209,
        "CUDA_ERROR_ILLEGAL_ADDRESS": 700,
        "CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE": 720,
    },
)
OK = CUresult.CUDA_SUCCESS


def constants(*names):
    return types.SimpleNamespace(**{name: name for name in names})


class FakeDriver:
    """The functions that Gpu calls. `notes` is what happened, `fail[name] = code` makes the next call of that name fail."""

    CUresult = CUresult
    CUdevice_attribute = constants(
        "CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR",
        "CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR",
        "CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT",
        "CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN",
    )
    CUfunction_attribute = constants(
        "CU_FUNC_ATTRIBUTE_NUM_REGS",
        "CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES",
        "CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES",
        "CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK",
        "CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES",
    )
    CUstreamCaptureMode = constants("CU_STREAM_CAPTURE_MODE_RELAXED")

    def __init__(self, total=1 << 24, parameters=(8, 8)):
        self.total, self.parameters = total, parameters
        self.notes, self.fail, self.live, self.graphs = [], {}, {}, {}
        self.allowed = 47 << 10
        self.capturing, self.handles = None, iter(range(1, 1 << 30))

    def __getattribute__(self, name):
        function = object.__getattribute__(self, name)
        if not name.startswith("cu"):
            return function

        def call(*arguments):
            code = self.fail.pop(name, None)
            return (code,) if code is not None else function(*arguments)

        call.__name__ = name
        return call

    def note(self, stream, *what):
        (self.notes if stream != self.capturing else self.graphs[stream]).append((stream, *what))
        return (OK,)

    def lend(self, kind, size=0, thing=None):
        handle = next(self.handles) if thing is None else ctypes.addressof(thing)
        self.live[handle] = (kind, size, thing)
        return OK, handle

    def free(self, handle):
        self.notes.append(("free", self.live.pop(handle)[0]))
        return (OK,)

    def cuInit(self, flags):
        return (OK,)

    def cuDeviceGet(self, ordinal):
        return OK, ordinal

    def cuDeviceGetName(self, length, device):
        return OK, b"Fake GPU".ljust(length, b"\0")

    def cuDeviceGetAttribute(self, attribute, device):
        return OK, {"MAJOR": 9, "MINOR": 0, "COUNT": 10, "OPTIN": 232448}[attribute.rpartition("_")[2]]

    def cuDeviceTotalMem(self, device):
        return OK, self.total

    def cuDevicePrimaryCtxRetain(self, device):
        return OK, "context"

    def cuCtxSetCurrent(self, context):
        return self.note("context", "current")

    def cuCtxPushCurrent(self, context):
        return (OK,)

    def cuCtxPopCurrent(self):
        return OK, "context"

    def cuThreadExchangeStreamCaptureMode(self, mode):
        return OK, mode

    def cuMemGetInfo(self):
        return OK, (self.total - sum(size for _, size, _ in self.live.values())), self.total

    def cuMemAlloc(self, nbytes):
        if nbytes > self.cuMemGetInfo()[1]:
            return CUresult.CUDA_ERROR_OUT_OF_MEMORY, None
        return self.lend("memory", nbytes, (ctypes.c_char * nbytes)(*b"\xab" * min(nbytes, 64)))

    def cuMemHostAlloc(self, nbytes, flags):
        return self.lend("pinned", 0, (ctypes.c_char * nbytes)())

    cuMemFree = cuMemFreeHost = cuModuleUnload = cuStreamDestroy = cuGraphExecDestroy = cuGraphDestroy = free

    def move(self, to, source, nbytes, stream):
        if stream != self.capturing:
            ctypes.memmove(to, source, nbytes)
        return self.note(stream, "move", nbytes)

    cuMemcpyHtoDAsync = cuMemcpyDtoHAsync = cuMemcpyDtoDAsync = move

    def cuMemsetD8Async(self, address, value, nbytes, stream):
        if stream != self.capturing:
            ctypes.memset(address, value, nbytes)
        return self.note(stream, "set", nbytes)

    def cuModuleLoadData(self, image):
        return self.lend("module")

    def cuModuleGetFunction(self, module, entry):
        return OK, entry.decode()

    def cuFuncLoad(self, function):
        raise RuntimeError("function cuFuncLoad is not found")  # as with a driver older than CUDA 12.4

    def cuFuncGetParamInfo(self, function, index):
        if index >= len(self.parameters):
            return CUresult.CUDA_ERROR_INVALID_VALUE, None, None
        return OK, 8 * index, self.parameters[index]

    def cuFuncGetAttribute(self, attribute, function):
        if "DYNAMIC" in attribute:
            return OK, self.allowed
        return OK, {"REGS": 40, "BLOCK": 512, "BYTES": 1024 * ("SHARED" in attribute)}[
            attribute.rpartition("_")[2]
        ]

    def cuFuncSetAttribute(self, function, attribute, value):
        if value > 232448 - 1024:
            return (CUresult.CUDA_ERROR_INVALID_VALUE,)
        self.allowed = value
        return self.note("function", "allow", value)

    def cuLaunchKernel(self, function, gx, gy, gz, bx, by, bz, shared, stream, block, extra):
        return self.launched("launch", function, gx, bx, shared, stream, block)

    def cuLaunchCooperativeKernel(self, function, gx, gy, gz, bx, by, bz, shared, stream, block):
        return self.launched("cooperate", function, gx, bx, shared, stream, block)

    def launched(self, kind, function, blocks, threads, shared, stream, block):
        pointers = (ctypes.c_void_p * len(self.parameters)).from_address(block)
        values = tuple(ctypes.c_int64.from_address(pointer).value for pointer in pointers)
        assert all(pointer % 8 == 0 for pointer in [block, *pointers])
        return self.note(stream, kind, function, blocks, threads, shared, values)

    def cuOccupancyMaxActiveBlocksPerMultiprocessor(self, function, threads, shared):
        return OK, 2048 // threads

    def cuStreamCreate(self, flags):
        assert flags == 1  # one that does not wait for CUDA's default stream
        return self.lend("stream")

    def cuStreamSynchronize(self, stream):
        return self.note(stream, "wait")

    def cuStreamBeginCapture(self, stream, mode):
        self.capturing, self.graphs[stream] = stream, []
        return (OK,)

    def cuStreamEndCapture(self, stream):
        self.capturing = None
        return self.lend("graph", 0)

    def cuGraphInstantiate(self, graph, flags):
        return self.lend("executable")

    def cuGraphUpload(self, graph, stream):
        return (OK,)

    def cuGraphLaunch(self, graph, stream):
        return self.note(stream, "replay", graph)

    def cuEventCreate(self, flags):
        return OK, next(self.handles)

    def cuEventRecord(self, event, stream):
        return self.note(stream, "mark", event)

    def cuStreamWaitEvent(self, stream, event, flags):
        return self.note(stream, "after", event)

    def cuEventSynchronize(self, event):
        return self.note("host", "after", event)

    def cuGetErrorName(self, code):
        return OK, code.name.encode()

    def cuGetErrorString(self, code):
        return OK, b"in words"

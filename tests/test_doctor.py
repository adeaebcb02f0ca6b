"""What `fastnn doctor` and why_not() say of a machine: which of driver, toolkit wheels and device is absent, and the step that mends it.

The libraries of the driver are stand-ins, as ctypes would load them.
"""

import ctypes
import sys

import pytest
from click.testing import CliRunner
from fake_cuda import FakeDriver

from fastnn.cli import doctor
from fastnn.cuda import driver, presence
from fastnn.errors import DeviceError


class Library:
    """libcuda.so.1 as ctypes sees it."""

    def __init__(self, init=0, devices=1, version=13000, cc=(9, 0)):
        self.init, self.devices, self.version, self.cc = init, devices, version, cc

    def cuInit(self, flags):
        return self.init

    def cuDeviceGetCount(self, count):
        count._obj.value = self.devices
        return 0

    def cuDriverGetVersion(self, version):
        version._obj.value = self.version
        return 0

    def cuGetErrorString(self, code, text):
        text._obj.value = b"in words"
        return 0

    def cuDeviceGet(self, device, number):
        device._obj.value = number
        return 0

    def cuDeviceGetName(self, text, length, device):
        text.value = b"Fake GPU"
        return 0

    def cuDeviceTotalMem_v2(self, total, device):
        total._obj.value = 85 * 10**9
        return 0

    def cuDeviceGetAttribute(self, value, number, device):
        value._obj.value = self.cc[number - 75]
        return 0

    def cuDeviceGetPCIBusId(self, text, length, device):
        text.value = b"0000:01:00.0"
        return 0


class Management:
    """libnvidia-ml.so.1."""

    def nvmlInit_v2(self):
        return 0

    def nvmlSystemGetDriverVersion(self, text, length):
        text.value = b"580.65.06"
        return 0

    def nvmlDeviceGetHandleByPciBusId_v2(self, bus, handle):
        assert bus == b"0000:01:00.0"
        return 0

    def nvmlDeviceGetMemoryInfo(self, handle, memory):
        memory._obj.free = 80 * 10**9
        return 0


@pytest.fixture
def machine(monkeypatch):
    """Choose what the machine has: machine(library, wheels, management)."""

    def choose(library, wheels="13.5.0", management=None):
        def load(name, *_, **__):
            found = management if "ml" in name else library
            if found is None:
                raise OSError(name)
            return found

        def version(name):
            if wheels is None or name.endswith("-cu12"):
                raise presence.importlib.metadata.PackageNotFoundError(name)
            return wheels

        monkeypatch.setattr(ctypes, "CDLL", load)
        monkeypatch.setattr(presence.importlib.metadata, "version", version)
        monkeypatch.setattr(presence.os.path, "exists", lambda path: False)
        monkeypatch.setitem(sys.modules, "cuda.pathfinder", None)
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    return choose


@pytest.mark.parametrize(
    ("library", "wheels", "says"),
    [
        (None, "13.5.0", ["driver: there is no NVIDIA driver here", "580 or newer", "--gpus all"]),
        (
            None,
            None,
            ["no NVIDIA driver", "\ntoolkit wheels: cuda-bindings, numba-cuda, nvidia-nvvm, nvidia-nv"],
        ),
        (Library(), None, ["toolkit wheels: ", 'pip install "fastnn[cuda]"']),
        (
            Library(init=100),
            "13.5.0",
            ["device: the driver finds no GPU (error 100: in words)", "nvidia-smi"],
        ),
        (Library(devices=0), "13.5.0", ["device: the driver finds no GPU (it counts none)"]),
        (Library(init=803), "13.5.0", ["driver: it does not start (error 803", "restart the machine"]),
        (Library(init=3), "13.5.0", ["driver: it does not start (error 3", "forked", "spawn"]),
        (
            Library(version=12040),
            "13.5.0",
            ["it is for CUDA 12.4", "CUDA 13;", "driver 580", "numba-cuda[cu12]"],
        ),
        (
            Library(cc=(7, 0)),
            "13.5.0",
            ["Fake GPU has compute capability 7.0", "start at 7.5", "numba-cuda[cu12]"],
        ),
    ],
)
def test_what_is_absent_is_named_with_the_step_that_mends_it(machine, library, wheels, says):
    machine(library, wheels)
    why = presence.why_not()
    assert all(words in why for words in says), why
    assert len(why.splitlines()) == (2 if library is None and wheels is None else 1)


def test_hidden_devices_are_told_apart_from_absent_ones(machine, monkeypatch):
    machine(Library(devices=0))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert "CUDA_VISIBLE_DEVICES='' hides" in presence.why_not()


def test_a_container_without_the_driver_s_library_is_told_apart(machine, monkeypatch):
    machine(None)
    monkeypatch.setattr(presence.os.path, "exists", lambda path: path == "/proc/driver/nvidia/version")
    assert "NVIDIA_DRIVER_CAPABILITIES" in presence.why_not()


def test_nothing_is_said_where_nothing_is_absent(machine):
    machine(Library(), management=Management())
    assert presence.why_not() is None
    assert presence.devices() == [presence.Device("Fake GPU", (9, 0), 85 * 10**9, 80 * 10**9)]
    assert presence.driver_version() == "580.65.06, for CUDA 13.0"
    machine(Library())
    assert presence.devices()[0].free_bytes is None and presence.driver_version() == "for CUDA 13.0"
    machine(None)
    assert presence.devices() == [] and presence.driver_version() is None


def test_the_gpu_is_one_or_the_reason_why_not(machine, monkeypatch):
    monkeypatch.setitem(sys.modules, "cuda.bindings.driver", FakeDriver())
    monkeypatch.setattr(driver, "_gpu", None)
    machine(None)
    with pytest.raises(DeviceError, match="there is no GPU to use here\ndriver: there is no NVIDIA driver"):
        driver.the_gpu()
    machine(Library())
    assert driver.the_gpu() is driver.the_gpu()


def told():
    """What the doctor says of CUDA, without the table around it."""
    return doctor._cuda()


def test_the_doctor_shows_the_gpu_its_memory_and_its_driver(machine):
    machine(Library(), management=Management())
    assert told().splitlines() == [
        "Fake GPU, compute capability 9.0, memory 80 GB free of 85 GB",
        "driver 580.65.06, for CUDA 13.0",
    ]


def test_the_doctor_shows_the_gpu_and_what_is_absent_beside_it(machine):
    machine(Library(), wheels=None)
    lines = told().splitlines()
    assert lines[0] == "no:" and lines[1].endswith('pip install "fastnn[cuda]"')
    assert lines[2:] == ["Fake GPU, compute capability 9.0, memory 85 GB", "driver for CUDA 13.0"]


def test_the_doctor_names_all_that_is_absent(machine):
    machine(None, wheels=None)
    lines = told().splitlines()
    assert [line.partition(":")[0] for line in lines] == ["no", "driver", "toolkit wheels"]


@pytest.mark.parametrize("look", ["why_not", "devices", "driver_version"])
def test_a_look_that_breaks_leaves_the_others_to_say_what_they_see(machine, monkeypatch, look):
    machine(Library(), management=Management())

    def broken():
        raise RuntimeError("broken here")

    monkeypatch.setattr(presence, look, broken)
    text = told()
    assert "cannot tell: RuntimeError: broken here" in text
    assert ("580.65.06" in text) == (look != "driver_version") and ("80 GB" in text) == (look != "devices")


def test_the_doctor_s_words_are_in_its_output(machine):
    machine(Library(init=100))
    done = CliRunner().invoke(doctor.command, ["--json"])
    assert done.exit_code == 0 and "device: the driver finds no GPU (error 100: in words)" in done.output

"""Libraries on the card: one process for each library and precision, which take turns.

A key is library@precision, as "jax@tf32", or fastnn@how where one of fastnn's ways to run a step is forced.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass

from library import HERE, Failed, Libraries, Library
from library import TITLES as CPU_TITLES

TITLES = {**CPU_TITLES, "pytorch": "PyTorch eager", "graphs": "PyTorch, CUDA graphs"}
LIBRARIES = ("fastnn", "pytorch", "graphs", "jax")
PRECISIONS = {"float32": ("float32",), "tf32": ("tf32", "bf16")}
"""Which precisions of fastnn stand in the table of a precision of the peers. bf16 is fastnn's alone: the others have TF32 there."""
WAYS = ("block", "grid", "graph", "direct")
"""How fastnn can run steps: one block, a cooperative grid, a CUDA graph, a launch for each kernel."""
JAX_NAMES = {"float32": "float32", "tf32": "tensorfloat32"}


@dataclass(frozen=True)
class Setting:
    """A library as it is measured. device "cpu" is for trying the benchmark where there is no GPU."""

    library: str
    precision: str = "float32"
    device: str = "cuda"
    how: str | None = None

    @property
    def key(self) -> str:
        return f"{self.library}@{self.how or self.precision}"

    def environment(self) -> dict[str, str]:
        """What must be set before the library is imported."""
        more = {"JAX_PLATFORMS": self.device, "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
        more["JAX_DEFAULT_MATMUL_PRECISION"] = JAX_NAMES.get(self.precision, "float32")
        # used where a cache folder is named: everything is kept, however quickly it was compiled
        more |= {
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        }
        kept = {k: v for k, v in os.environ.items() if k != "NVIDIA_TF32_OVERRIDE"}
        return {**kept, **more}


class Peer(Library):
    """One worker process (gpu_worker.py)."""

    def __init__(self, setting: Setting) -> None:
        self.name, self.setting = setting.library, setting
        command = [sys.executable, str(HERE / "gpu_worker.py"), json.dumps(asdict(setting))]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=setting.environment()
        )
        self.absent: str | None = None

    @property
    def key(self) -> str:
        return self.setting.key


class Peers(Libraries):
    """Those that are there; `absent` says why the others are not."""

    def __init__(self, settings: list[Setting]) -> None:
        self.present: list[Library] = []
        self.absent: dict[str, str] = {}
        for peer in [Peer(setting) for setting in settings]:
            try:
                peer.hello()
            except Failed as error:
                peer.absent = str(error)
            if peer.absent is None:
                self.present.append(peer)
            else:
                self.absent[peer.name] = peer.absent
                peer.close()
        self.versions = {peer.name: peer.version for peer in self.present}

    def __exit__(self, *_: object) -> None:
        for peer in self.present:
            try:
                peer.close()
            except BrokenPipeError:  # it died, and has said why
                peer.process.wait()


def settings(names: list[str], precision: str, device: str) -> list[Setting]:
    """Those of one table; fastnn first, for the weights of the others are compared with its."""
    mine = [Setting("fastnn", own, device) for own in PRECISIONS[precision]] * ("fastnn" in names)
    return mine + [Setting(name, precision, device) for name in names if name != "fastnn"]

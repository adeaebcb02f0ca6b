"""The parent's end of a worker process, and many of them taking turns.

An entry is a library and its number of threads: "jax@2", or "fastnn@auto" for fastnn's own choice. Each runs in a process of
its own, with its threads limited by the environment and by pinning before the library is imported.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Self

HERE = Path(__file__).resolve().parent
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "NPROC",
)
TITLES = {
    "fastnn": "fastnn",
    "jax": "JAX",
    "pytorch": "PyTorch",
    "compiled": "torch.compile",
    "sklearn": "scikit-learn",
    "numpy": "NumPy",
    "onnx": "onnxruntime",
    "scipy": "SciPy",
}
PAUSE = 0.03
"""Seconds between two turns: thread pools spin for a while after their last work."""


class Failed(Exception):
    """The library could not do it; the message says why."""


def cpus() -> list[int]:
    """Those that may be used; empty where the system does not say."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def environment(threads: int) -> dict[str, str]:
    return {**os.environ, **dict.fromkeys(THREAD_VARIABLES, str(threads))}


class Library:
    """One worker process. `absent` says why there is none."""

    def __init__(self, name: str, threads: int | None) -> None:
        self.name, self.threads = name, threads
        everything = cpus() or list(range(os.cpu_count() or 1))
        count = threads or len(everything)
        pinned = everything[-count:] if cpus() else []
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "worker.py"), name, json.dumps([threads, pinned])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(count),
        )
        self.absent: str | None = None

    @property
    def key(self) -> str:
        return f"{self.name}@{self.threads or 'auto'}"

    def hello(self) -> None:
        """Wait until the library is imported."""
        hello = self.answer()
        self.version, self.absent = hello.get("version"), hello.get("absent")

    def send(self, **command: Any) -> None:
        assert self.process.stdin is not None
        print(json.dumps(command), file=self.process.stdin, flush=True)

    def answer(self) -> dict[str, Any]:
        """The answer to what was sent; Failed where the library could not."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise Failed(f"died with exit status {self.process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise Failed(answer["error"])
        return answer

    def ask(self, **command: Any) -> dict[str, Any]:
        self.send(**command)
        return self.answer()

    def close(self) -> None:
        if self.process.stdin is not None:
            self.process.stdin.close()
        self.process.wait()


class Libraries:
    """Worker processes that are there, and why the others are not."""

    def __init__(self, entries: list[tuple[str, int | None]]) -> None:
        started = [Library(*entry) for entry in entries]
        self.absent: dict[str, str] = {}
        for library in started:
            try:
                library.hello()
            except Failed as error:
                library.absent = str(error)
            if library.absent is not None:
                self.absent[library.name] = library.absent
                library.close()
        self.present = [library for library in started if library.absent is None]
        self.versions = {library.name: library.version for library in self.present}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for library in self.present:
            library.close()

    def turns(self, among: list[Library], rounds: int, **command: Any) -> dict[str, list[dict[str, Any]]]:
        """Answers of each library; they take turns in every round, each round begins with another one."""
        answers: dict[str, list[dict[str, Any]]] = {library.key: [] for library in among}
        for turn in range(rounds):
            shift = turn % max(len(among), 1)
            for library in among[shift:] + among[:shift]:
                time.sleep(PAUSE)
                answers[library.key].append(library.ask(**command))
        return answers


def answer_of(library: Library) -> dict[str, Any]:
    """Its answer, or {"failed": why}."""
    try:
        return library.answer()
    except Failed as error:
        return {"failed": str(error)}


def entries(names: list[str], threads: list[int | None]) -> list[tuple[str, int | None]]:
    """All pairs; `None`, its own choice, is for fastnn alone."""
    return [(name, count) for name in names for count in threads if count is not None or name == "fastnn"]

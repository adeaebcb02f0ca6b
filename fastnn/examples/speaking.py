"""Spoken digits, made on the spot by the synthesiser espeak-ng: nothing is downloaded.

A voice of espeak-ng is a variant (the throat: formants, breath, roughness) with an accent; speed and pitch are free. One call of the program says all ten digits with silence
between them, and the silence is where they are cut apart.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.errors import DataError, FastnnError

Array = NDArray[Any]

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
PAUSE, SILENT = 0.35, 150  # seconds without a sample above that are a pause between words

__all__ = ["DIGITS", "Session", "add_noise", "cut", "need_espeak", "say_digits", "sessions", "variants_there"]


@dataclass(frozen=True)
class Session:
    """Who speaks and how: a variant and an accent of espeak-ng, words a minute, pitch from 0 to 99."""

    variant: str
    accent: str = "en-us"
    speed: int = 150
    pitch: int = 50


def sessions(
    variants: Sequence[str], accents: Sequence[str], each: int, rng: np.random.Generator
) -> list[Session]:
    """`each` sessions of every variant, with accent, speed and pitch drawn at random."""
    return [
        Session(
            variant, str(rng.choice(list(accents))), int(rng.integers(110, 201)), int(rng.integers(15, 86))
        )
        for variant in variants
        for _ in range(each)
    ]


def need_espeak() -> str:
    """The path of espeak-ng; FastnnError that says what to install where it is absent."""
    path = shutil.which("espeak-ng")
    if path is None:
        raise FastnnError(
            "spoken digits are made by the program espeak-ng, which is not installed",
            hint="apt-get install espeak-ng (Debian, Ubuntu), dnf install espeak-ng (Fedora) or brew install espeak-ng (macOS)",
        )
    return path


def variants_there() -> set[str]:
    """The variants that this espeak-ng has: it takes an unknown one for its plain voice, without a word."""
    listed = subprocess.run(
        [need_espeak(), "--voices=variant"], capture_output=True, check=True, text=True
    ).stdout
    return {word.removeprefix("!v/") for word in listed.split() if word.startswith("!v/")}


def say_digits(session: Session) -> tuple[list[Array], int]:
    """(ten sounds between -1 and 1, zero first; samples a second)."""
    words = "".join(f"<s>{word}</s><break time='700ms'/>" for word in DIGITS)
    command = [need_espeak(), "-m", "-v", f"{session.accent}+{session.variant}", "-s", str(session.speed)]
    command += ["-p", str(session.pitch), "--stdout", f"<speak>{words}</speak>"]
    said = subprocess.run(command, capture_output=True, check=True).stdout
    with wave.open(io.BytesIO(said)) as file:
        rate = file.getframerate()
        sound = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float64)
    parts = cut(sound, rate)
    if len(parts) != len(DIGITS):
        raise DataError(f"{session} did not say ten words", got=f"{len(parts)} stretches of sound")
    return [part / 32768 for part in parts], rate


def cut(sound: Array, rate: int) -> list[Array]:
    """The stretches of sound between pauses."""
    loud = np.flatnonzero(np.abs(sound) > SILENT)
    if not len(loud):
        return []
    pauses = np.flatnonzero(np.diff(loud) > PAUSE * rate)
    starts, ends = np.append(loud[0], loud[pauses + 1]), np.append(loud[pauses], loud[-1])
    return [sound[start : end + 1] for start, end in zip(starts, ends, strict=True)]


def add_noise(sound: Array, decibels: float, rng: np.random.Generator) -> Array:
    """The sound with white noise, `decibels` below its own power."""
    level = np.sqrt((sound**2).mean()) * 10 ** (-decibels / 20)
    noisy: Array = sound + rng.normal(size=len(sound)) * level
    return noisy

"""A network for speech (2011): which digit is this frame from? Spoken by voices that it never heard.

espeak-ng says the ten digits in many voices, white noise is added, and every 10 ms a frame of 40 log-mel features is taken, 11 frames beside each other are what the network sees. It gives
each frame a probability for every digit; a spoken digit is read by the mean of log p over its frames. Held out are voices: other throats, and, harder, other throats with
accents that were never heard.

What a voice does to sound by its room and its spectrum is about the same in all frames, so the mean over the frames is taken off ("as heard" is without that).
Source: Hinton et al. 2012, Deep neural networks for acoustic modeling in speech recognition, IEEE Signal Processing Magazine 29.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

import fastnn as fnn
from fastnn.errors import DataError
from fastnn.examples import show
from fastnn.examples.show import Array
from fastnn.examples.sound import HOP, context, log_mel
from fastnn.examples.speaking import DIGITS, Session, add_noise, say_digits, sessions, variants_there

# fmt: off
HEARD = (
    "m1", "m2", "m3", "m4", "f1", "f2", "f3", "Alex", "Andy", "Annie", "antonio", "Denis", "Diogo",
    "Gene", "klatt", "klatt3", "Lee", "linda", "max", "steph2", "travis", "robert", "Mario", "pablo",
)
# fmt: on
HELD_OUT = ("m5", "m7", "f4", "f5", "belinda", "david", "klatt2", "michel", "grandma", "boris")
ACCENTS = ("en-us", "en-gb", "en-gb-x-rp", "en-gb-x-gbclan", "en-029")
NEW_ACCENTS = ("en-gb-scotland", "en-us-nyc", "en-gb-x-gbcwmd")
NOISE = (10.0, 30.0)  # decibels below the voice, drawn for each word
EDGE = 0.02  # seconds of silence before and after a word


@dataclass(frozen=True)
class Model:
    """How a network hears: hidden layers, frames on either side, whether the mean over a word's frames is taken off."""

    name: str
    hidden: tuple[int, ...] = (256, 256, 256)
    around: int = 5
    centred: bool = True


MODELS = (
    Model("linear, 11 frames, as heard", hidden=(), centred=False),
    Model("3 hidden layers, 11 frames, as heard", centred=False),
    Model("3 hidden layers, 1 frame", around=0),
    Model("3 hidden layers, 11 frames"),
)


@dataclass(frozen=True)
class Word:
    """A spoken digit: log-mel features (frames, 40)."""

    session: Session
    digit: int
    features: Array


def record(plan: Sequence[Session], rng: np.random.Generator) -> list[Word]:
    """Ten digits of every session, with noise."""
    words = []
    with ThreadPoolExecutor(2) as pool:
        for session, (sounds, rate) in zip(plan, pool.map(say_digits, plan), strict=True):
            for digit, sound in enumerate(sounds):
                noisy = add_noise(np.pad(sound, round(EDGE * rate)), rng.uniform(*NOISE), rng)
                words.append(Word(session, digit, log_mel(noisy, rate)))
    return words


def rows(words: Sequence[Word], model: Model) -> tuple[Array, Array, Array]:
    """(frames, features), the digit of each frame, the word of each frame."""
    shown = [word.features - word.features.mean(axis=0) * model.centred for word in words]
    lengths = [len(features) for features in shown]
    X = np.concatenate([context(features, model.around) for features in shown])
    return X, np.repeat([word.digit for word in words], lengths), np.repeat(np.arange(len(words)), lengths)


def train(words: Sequence[Word], model: Model, epochs: int, seed: int, device: str = "cpu") -> fnn.Network:
    """A network that gives each frame a digit."""
    X, y, _ = rows(words, model)
    hidden = [fnn.Dense(n, "relu", initializer="he_normal") for n in model.hidden]
    net = fnn.Network(X.shape[1], [*hidden, fnn.Dense(10)], seed=seed).to(device)
    adam = fnn.optimizers.adam(eta=0.001, schedule="cosine")
    net.fit(
        X,
        y,
        loss="cross_entropy",
        optimizer=adam,
        batch_size=128,
        epochs=epochs,
        scale="standardise",
        verbose=False,
    )
    return net


def read(net: fnn.Network, words: Sequence[Word], model: Model) -> dict[str, Any]:
    """{"frames": share of frames read rightly, "digits": of words, "table": counts[is, said]}."""
    X, y, of_word = rows(words, model)
    log_p = np.log(np.maximum(net.predict(X), 1e-12))
    sums = np.zeros((len(words), 10))
    np.add.at(sums, of_word, log_p)
    digits, said = np.array([word.digit for word in words]), sums.argmax(axis=1)
    table = np.zeros((10, 10), dtype=int)
    np.add.at(table, (digits, said), 1)
    return {
        "frames": float((log_p.argmax(axis=1) == y).mean()),
        "digits": float((said == digits).mean()),
        "table": table,
    }


def least_sure(net: fnn.Network, words: Sequence[Word]) -> Word:
    """Of the words that the last model reads rightly, the one with the lowest mean probability of its digit."""

    def certainty(word: Word) -> float:
        p = net.predict(rows([word], MODELS[-1])[0])
        right = np.log(np.maximum(p, 1e-12)).sum(axis=0).argmax() == word.digit
        return float(p[:, word.digit].mean()) if right else 1.0

    return min(words, key=certainty)


def run(
    *, each: int = 3, epochs: int = 8, seed: int = 0, device: str = "cpu", out: str | None = None
) -> dict[str, Any]:
    """Speak, train four models, read digits of voices that were held out; {"rows": one a model, "data", "seconds"}.

    each    sessions of every voice, each with an accent, a speed and a pitch of its own
    epochs  of training
    seed    of sessions, noise and networks
    device  cpu or cuda
    """
    rng = np.random.default_rng(seed)
    there = variants_there()
    heard, held_out = ([name for name in names if name in there] for names in (HEARD, HELD_OUT))
    if len(heard) < 2 or not held_out:
        raise DataError("espeak-ng lacks the voices of this example", got=", ".join(sorted(there)) or "none")
    start = time.perf_counter()
    data = {
        "training voices": record(sessions(heard, ACCENTS, each, rng), rng),
        "new voices": record(sessions(held_out, ACCENTS, each, rng), rng),
        "new voices, new accents": record(sessions(held_out, NEW_ACCENTS, each, rng), rng),
    }
    spoken = time.perf_counter() - start
    found, net = [], None
    for model in MODELS:
        start = time.perf_counter()
        net = train(data["training voices"], model, epochs, seed, device)
        seconds = time.perf_counter() - start
        found.append(
            {"model": model, "parameters": net.theta.size, "seconds": seconds}
            | {name: read(net, words, model) for name, words in data.items()}
        )
    sizes = {name: (len(words), sum(len(word.features) for word in words)) for name, words in data.items()}
    if out is not None and net is not None:
        draw(found, net, data["new voices, new accents"], out)
    return {"rows": found, "data": sizes, "voices": (len(heard), len(held_out)), "seconds": spoken}


def draw(found: list[dict[str, Any]], net: fnn.Network, words: Sequence[Word], out: str) -> Any:
    """A word as the network hears it with what it makes of it; what each model reads; the confusion table of the last."""
    figure, (left, middle, right) = show.panels(3, height=4.0, widths=[4.4, 4.8, 4.2])
    upper, lower = left.get_subplotspec().subgridspec(2, 1, hspace=0.05).subplots()
    left.remove()
    _word(upper, lower, net, least_sure(net, words))
    places = np.arange(len(found))[::-1]
    for name, colour, marker in (
        ("new voices", show.COLOURS[0], "o"),
        ("new voices, new accents", show.COLOURS[1], "s"),
    ):
        for part, filled in (("frames", False), ("digits", True)):
            shares = [100 * row[name][part] for row in found]
            face = colour if filled else "white"
            middle.plot(
                shares,
                places,
                marker,
                color=colour,
                markerfacecolor=face,
                markersize=7,
                label=f"{part}, {name}",
            )
    middle.set(yticks=[], ylim=(-1.75, len(found) - 0.4), xlim=(0, 103))
    for place, row in zip(places, found, strict=True):
        middle.text(0, place + 0.27, row["model"].name, fontsize=9, color=show.INK)
        middle.axhline(place, color=show.FAINT, linewidth=0.7, zorder=0)
    middle.grid(visible=False)
    middle.legend(
        loc="lower left",
        ncols=2,
        frameon=False,
        fontsize=8.5,
        labelcolor=show.INK,
        handletextpad=0.2,
        columnspacing=1,
    )
    show.caption(middle, "read rightly", "%")
    _table(right, found[-1]["new voices, new accents"]["table"])
    return show.save_figure(figure, out)


def _word(upper: Any, lower: Any, net: fnn.Network, word: Word) -> None:
    X, _, _ = rows([word], MODELS[-1])
    end = len(X) * HOP
    upper.imshow(word.features.T, origin="lower", aspect="auto", cmap="magma", extent=(0, end, 0, 40))
    lower.imshow(
        net.predict(X).T,
        origin="upper",
        aspect="auto",
        cmap="Blues",
        vmin=0,
        vmax=1,
        extent=(0, end, 9.5, -0.5),
    )
    upper.set(xticks=[], yticks=[0, 20, 40])
    lower.set_yticks(range(10), DIGITS)
    session = word.session
    show.caption(
        upper, f'"{DIGITS[word.digit]}", voice {session.variant}, accent {session.accent}', "", "mel filter"
    )
    show.caption(lower, "", "seconds", "")
    for axes in (upper, lower):
        axes.tick_params(colors=show.INK, labelsize=8, length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)


def _table(axes: Any, table: Array) -> None:
    axes.imshow(table / np.maximum(table.sum(axis=1, keepdims=True), 1), cmap="Blues", vmin=0, vmax=1.25)
    for i, j in np.argwhere(table > 0):
        colour = show.HELD_OUT if i != j else "white"
        axes.text(j, i, str(table[i, j]), ha="center", va="center", fontsize=8.5, color=colour)
    axes.set_xticks(range(10), DIGITS, rotation=45, ha="right")
    axes.set_yticks(range(10), DIGITS)
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    show.caption(axes, "new voices, new accents", "said", "")


def report(numbers: dict[str, Any]) -> list[Any]:
    """Frame accuracy, digit accuracy and time of every model."""
    groups = list(numbers["data"])
    lines = []
    for row in numbers["rows"]:
        shares = [f"{100 * row[group][part]:.1f} %" for group in groups[1:] for part in ("frames", "digits")]
        lines.append((row["model"].name, f"{row['parameters']:,}", *shares, f"{row['seconds']:.1f} s"))
    names = (
        "model",
        "parameters",
        "frames, new voices",
        "digits",
        "frames, new accents too",
        "digits",
        "training",
    )
    spoken = [
        (group, f"{words:,} digits, {frames:,} frames") for group, (words, frames) in numbers["data"].items()
    ]
    heard, held_out = numbers["voices"]
    spoken.append(("voices", f"{heard} to train, {held_out} held out; spoken in {numbers['seconds']:.1f} s"))
    return [show.facts(spoken), "", show.columns(names, lines)]


if __name__ == "__main__":
    show.main(run, report)

"""fit: data checked once, names resolved once, and whole epochs run in compiled code.

A rule runs inside the compiled loop: Python sees it again about every 50 ms, to move the progress bar, to hear Ctrl-C and to notice a loss that
is no longer finite. A solver asks the objective, one step an epoch.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from fastnn import inputs, scaling
from fastnn.callbacks import Callback, Callbacks
from fastnn.contracts import Loss, Part, Rule, class_config
from fastnn.engine import as_device
from fastnn.errors import DataError, DivergedError, SettingError, ShapeError
from fastnn.history import History
from fastnn.progress import Progress
from fastnn.registry import registry
from fastnn.trainers import RuleTrainer, SolverTrainer, TrainingSet

if TYPE_CHECKING:
    from fastnn.network import Network

__all__ = ["Run", "fit"]

_SHUFFLE, _HOLD_OUT = 2, 1  # streams of random numbers under the fit's seed
_MOST_THREADS = 1024


def fit(
    net: Network,
    X: ArrayLike,
    y: ArrayLike,
    *,
    loss: Any = None,
    optimizer: Any = "adam",
    epochs: int = 10,
    batch_size: int = 32,
    validation: float | Sequence[ArrayLike] | None = 0.0,
    seed: int | None = None,
    shuffle: bool = True,
    threads: int | None = None,
    callbacks: Callback | Iterable[Callback] = (),
    verbose: bool | int = True,
    scale: str | None = None,
    sample_weight: ArrayLike | None = None,
    class_weight: Mapping[Any, float] | str | None = None,
    resume: Any = None,
    device: str | None = None,
    precision: str | None = None,
    **settings: Any,
) -> History:
    """Train `net` in place and return the history, one row an epoch.

    X             (rows, *input_shape) real numbers
    y             class labels (rows,), or rows as wide as the output; (rows,) will do for one output
    loss          name or object; without one, cross_entropy for labels and squared_error for values
    optimizer     name or object (a rule, or a solver such as newton); its settings may follow by keyword: eta=0.05
    validation    share of the rows to hold out (chosen by the seed), or (X, y)
    seed          of shuffling, holding out and dropout; the network's own by default
    shuffle       a new order of the rows in every epoch
    threads       how many at the most; the result is the same for any number, bit for bit. None: as many as pay off
    scale         "standardise" or "min_max": fitted on the training rows, kept with the network
    sample_weight, class_weight   weights of rows, and of labels ({label: weight} or "balanced")
    resume        path of a Checkpoint: go on where it was written
    device        "cpu" or "cuda"; where the network is (net.to) by default
    precision     of matrix products on a GPU: "float32", "tf32" or "bf16"
    verbose       True: progress bar; False: silence

    Ctrl-C ends training and keeps the network as it is; `history.stopped` says so. A loss that is not finite raises DivergedError and puts back the last
    parameters that were good.
    """
    epochs, batch_size = inputs.count("epochs", epochs, least=0), inputs.count("batch_size", batch_size)
    threads = None if threads is None else inputs.count("threads", threads, most=_MOST_THREADS)
    if resume is not None and not isinstance(resume, (str, os.PathLike)):
        raise SettingError("resume is no path", got=repr(resume)[:80], expected="the path of a Checkpoint")
    shuffle, verbose = inputs.flag("shuffle", shuffle), inputs.flag("verbose", verbose)
    callbacks = Callbacks(callbacks)
    seed = net.seed if seed is None else inputs.count("seed", seed, least=-(2**63))
    where = as_device(device, precision, net.dtype, net.device)
    chosen = net.choose_loss(loss, y)
    rule = _optimizer(optimizer, settings)
    features = inputs.column_names(X)
    # everything is checked as it was handed over, so that an error names the user's rows and changes nothing
    X = inputs.as_rows(X, net.input_shape, net.dtype if scale is None and resume is None else "float64")
    classes = _check_targets(net, X, y, chosen, sample_weight, class_weight)
    X, y, weights, held = _split(X, y, sample_weight, validation, seed)
    run = Run(net, rule, epochs, seed, shuffle, callbacks)
    before, numbers = (net.loss, net.classes, net.features, net.scaler), net.numbers()
    progress = Progress(verbose, epochs, 1)
    progress.start()
    try:
        tensors: dict[str, Any] = {}
        record: dict[str, Any] = {}
        if resume is not None:
            from fastnn import storage

            net.scaler = None
            tensors, record = storage.load_checkpoint(resume, net)
        if resume is None or scale is not None:
            net.scaler = _scaler(scale, X, resume, net.scaler)
        net.loss, net.classes, net.features = chosen, classes, features
        targets = inputs.as_targets(y, chosen, net.output_shape, net.dtype, classes)
        rows = net.as_rows(X)
        data = TrainingSet(rows, targets, inputs.as_weights(weights, class_weight, targets, net.dtype), held)
        if isinstance(rule, Rule):
            batch = len(rows) if rule.full_batch else min(batch_size, len(rows))
            run.trainer = RuleTrainer(net, rule, chosen, data, batch, threads, where)
        else:
            run.trainer = SolverTrainer(net, rule, chosen, data, threads, where)
        if resume is not None:
            run.restore(tensors, record)
    except BaseException:
        net.loss, net.classes, net.features, net.scaler = before
        net.put_back(numbers)
        progress.stop(None)
        raise
    net.training = True
    try:
        run.train(progress)
    finally:
        net.training = False
        progress.stop(run.history.stopped)
    net.history = run.history
    return run.history


class Run:
    """One fit in progress: what callbacks see.

    epoch counts finished epochs, step finished steps; `stop(reason)` ends the fit after this epoch; `state()` is what a checkpoint keeps.
    """

    trainer: RuleTrainer | SolverTrainer

    def __init__(
        self, net: Network, optimizer: Any, epochs: int, seed: int, shuffle: bool, callbacks: Callbacks
    ) -> None:
        self.net, self.optimizer, self.epochs, self.seed, self.shuffle = net, optimizer, epochs, seed, shuffle
        self.callbacks = callbacks
        self.history = History()
        self.epoch = self.step = 0

    @property
    def n_samples(self) -> int:
        """Rows in the training set."""
        return len(self.trainer.data.X)

    @property
    def steps_per_epoch(self) -> int:
        """Updates of the parameters in one epoch."""
        return self.trainer.steps

    def stop(self, reason: str) -> None:
        """End the fit after this epoch."""
        self.history.stopped = reason

    def state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """All that is needed to go on: (tensors, record)."""
        tensors, record = self.callbacks.state()
        own, about = self.trainer.state()
        tensors = {**tensors, **{f"optimizer/{name}": array for name, array in own.items()}}
        fit = {
            "epoch": self.epoch,
            "step": self.step,
            "seed": self.seed,
            "batch": self.trainer.batch,
            "n": self.n_samples,
        }
        record = {
            "fit": fit,
            "optimizer": self.optimizer.name,
            "settings": _config(self.optimizer),
            "loss": _config(self.trainer.loss),
            "solver": about,
            "callbacks": record,
            "history": list(self.history),
        }
        return tensors, record

    def restore(self, tensors: Mapping[str, Any], record: Mapping[str, Any]) -> None:
        """Go on where `state` was taken; SettingError where the fit is another one."""
        fit = record["fit"]
        theirs = {
            "optimizer": record.get("settings", {"name": record["optimizer"]}),
            "loss": record.get("loss"),
        }
        theirs |= {name: fit[name] for name in ("seed", "batch", "n")}
        mine = {"optimizer": _config(self.optimizer), "loss": _config(self.trainer.loss)}
        mine |= {"seed": self.seed, "batch": self.trainer.batch, "n": self.n_samples}
        other = [name for name in mine if mine[name] != theirs[name]]
        if other:
            theirs_, mine_ = (", ".join(f"{name} = {x[name]}" for name in other) for x in (theirs, mine))
            raise SettingError(
                f"the checkpoint belongs to another fit: they differ in {', '.join(other)}",
                got=theirs_,
                expected=mine_,
            )
        own = {n.removeprefix("optimizer/"): a for n, a in tensors.items() if n.startswith("optimizer/")}
        self.trainer.restore(own, record["solver"])
        self.callbacks.restore(dict(tensors), dict(record["callbacks"]))
        self.epoch, self.step = int(fit["epoch"]), int(fit["step"])
        self.history = History(record["history"])

    def train(self, progress: Progress) -> None:
        """Run the epochs that are left; Ctrl-C ends them."""
        self.callbacks.on_train_begin(self)
        try:
            while self.epoch < self.epochs and self.history.stopped is None:
                self._one_epoch(progress)
        except KeyboardInterrupt:
            self.history.stopped = "interrupted"
        finally:
            self.trainer.close()
        self.callbacks.on_train_end(self)

    def _one_epoch(self, progress: Progress) -> None:
        self.callbacks.on_epoch_begin(self)
        order = None
        # one batch of all rows has no order to shuffle
        if self.shuffle and self.trainer.uses_order and self.trainer.steps > 1:
            order = np.random.default_rng([self.seed % 2**32, _SHUFFLE, self.epoch]).permutation(
                self.n_samples
            )
        start = time.perf_counter()

        def moved(done: int, loss: float) -> None:
            progress.update(self.epoch, done / self.trainer.steps, loss)

        loss, eta, bad_step = self.trainer.epoch(order, self.step, self.epochs, self.seed, moved)
        if bad_step is not None:
            raise self._diverged(bad_step, loss)
        seconds = time.perf_counter() - start
        self.epoch += 1
        self.step += self.trainer.steps
        row = {"epoch": self.epoch, "loss": loss}
        if self.trainer.data.held is not None:
            rows, targets = self.trainer.data.held
            scores = self.net.scores(rows, targets, self.trainer.loss, device=self.trainer.device)
            row |= {f"validation_{name}": value for name, value in scores.items()}
        if eta is not None:
            row["eta"] = eta
        row |= {"seconds": seconds, "samples_per_second": self.n_samples / max(seconds, 1e-9)}
        self.history.append(row)
        progress.epoch_end(row)
        self.callbacks.on_epoch_end(self, row)

    def _diverged(self, step: int, loss: float) -> DivergedError:
        self.net.put_back(self.trainer.good)
        return DivergedError(
            f"{'the loss is' if np.isnan(loss) else 'the parameters are'} not finite at step {step} (epoch {self.epoch + 1})",
            got=f"optimizer {self.optimizer!r}",
            hint="a smaller eta, scale='standardise', or another loss; the last parameters with a finite loss were put back",
        )


def _config(part: Any) -> Any:
    """What it is and its settings, as a file keeps them."""
    config = part.config() if isinstance(part, Part) else class_config(part)
    return json.loads(json.dumps(config, default=repr))


def _optimizer(optimizer: Any, settings: Mapping[str, Any]) -> Any:
    try:
        return registry.get("optimizer", optimizer, **settings)
    except SettingError as error:
        known = set(fit.__kwdefaults__ or {})
        wrong = [name for name in settings if f"has no setting {name!r}" in error.what]
        if wrong:
            from fastnn.errors import did_you_mean

            near = did_you_mean(wrong[0], known)
            if near:
                raise SettingError(
                    f"fit has no argument {wrong[0]!r}{near}", expected=error.expected
                ) from None
        raise


def _scaler(scale: Any, X: Any, resume: Any, theirs: Any) -> Any:
    """The scaler of this fit; SettingError where the checkpoint that it goes on from has another one."""
    mine = None if scale is None else scaling.make(scale, X)
    if resume is not None and mine != theirs:
        kinds = [None if scaler is None else scaler.kind for scaler in (theirs, mine)]
        theirs_, mine_ = (f"scale = {kind!r}" for kind in kinds)
        other = kinds[0] == kinds[1]
        raise SettingError(
            "the checkpoint belongs to another fit: they differ in scaling",
            got=f"{theirs_}, fitted on other rows" if other else theirs_,
            expected=mine_,
            hint="without scale=, the checkpoint's own is used",
        )
    return mine


def _check_targets(net: Network, X: Any, y: Any, loss: Loss, sample_weight: Any, class_weight: Any) -> Any:
    """Refuse targets and weights that do not fit; gives the labels of the classes, if there are any."""
    targets = inputs.as_targets(y, loss, net.output_shape, net.dtype)
    if len(targets.array) != len(X):
        raise ShapeError(
            "X and y have different numbers of rows",
            got=f"{len(X)} and {len(targets.array)}",
            expected="as many",
        )
    if len(X) == 0:
        raise DataError(
            "there are no rows to train on", got=f"X.shape = {X.shape}", expected="one row or more"
        )
    inputs.as_weights(sample_weight, class_weight, targets, net.dtype)
    return targets.classes


def _split(X: Any, y: Any, sample_weight: Any, validation: Any, seed: int) -> tuple[Any, Any, Any, Any]:
    """Training rows, and what is held out."""
    n = len(X)
    if isinstance(validation, (tuple, list)):
        if len(validation) != 2:
            raise SettingError("validation is a share or a pair (X, y)", got=f"{len(validation)} things")
        return X, y, sample_weight, tuple(validation)
    if validation is None:
        return X, y, sample_weight, None
    if not isinstance(validation, (int, float)) or not 0 <= validation < 1:
        raise SettingError(
            "validation is a share of the rows, or (X, y)",
            got=repr(validation)[:80],
            expected="0 <= share < 1",
        )
    count = round(validation * n)
    if count == 0:
        return X, y, sample_weight, None
    if count == n:
        raise DataError("holding out leaves no rows to train on", got=f"{n} rows, share {validation}")
    order = np.random.default_rng([seed % 2**32, _HOLD_OUT]).permutation(n)
    held, kept = np.sort(order[:count]), np.sort(order[count:])
    weights = None if sample_weight is None else np.asarray(sample_weight)[kept]
    return _take(X, kept), _take(y, kept), weights, (_take(X, held), _take(y, held))


def _take(values: Any, rows: Any) -> Any:
    return values.iloc[rows] if hasattr(values, "iloc") else np.asarray(values)[rows]

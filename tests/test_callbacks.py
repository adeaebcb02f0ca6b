"""Callbacks on a run whose losses are given: what stops, what is kept, what is written."""

import csv

import numpy as np
import pytest

from fastnn import storage
from fastnn.callbacks import Callback, Callbacks, Checkpoint, CSVLog, EarlyStopping, LambdaCallback
from fastnn.errors import SettingError


class FakeNetwork:
    def __init__(self):
        self.theta = np.zeros(2)
        self.parameters = {"0/W": self.theta}
        self.scaler = None
        self.statistics = {}

    def config(self):
        return {"n": 2}

    def numbers(self):
        return {"theta": self.theta.copy()}

    def put_back(self, numbers):
        self.theta[:] = numbers["theta"]


class FakeRun:
    """As training.Run: the parameters of epoch k are all k."""

    def __init__(self, net=None, epoch=0):
        self.net, self.epoch, self.stopped = net or FakeNetwork(), epoch, None
        self.callbacks = Callbacks()

    def stop(self, reason):
        self.stopped = reason

    def state(self):
        tensors, record = self.callbacks.state()
        return tensors, {"epoch": self.epoch, "callbacks": record}

    def go(self, callbacks, losses, name="validation_loss"):
        self.callbacks = Callbacks(callbacks)
        self.callbacks.on_train_begin(self)
        for loss in losses:
            self.callbacks.on_epoch_begin(self)
            self.epoch += 1
            self.net.theta[:] = self.epoch
            self.callbacks.on_epoch_end(self, {"epoch": self.epoch, "loss": 9.0, name: loss})
            if self.stopped:
                break
        self.callbacks.on_train_end(self)
        return self


def test_early_stopping_stops_after_patience_and_restores_the_best():
    stopping = EarlyStopping(patience=2)
    run = FakeRun().go(stopping, [3.0, 1.0, 2.0, 1.0, 0.5])
    assert run.stopped == "early stopping" and run.epoch == 4
    assert (run.net.theta == 2).all() and stopping.best_epoch == 2 and stopping.best == 1.0


def test_the_best_comes_back_even_when_nothing_stopped():
    run = FakeRun().go(EarlyStopping(patience=9), [3.0, 1.0, 2.0])
    assert run.stopped is None and (run.net.theta == 2).all()


def test_without_restore_best_the_last_parameters_stay():
    run = FakeRun().go(EarlyStopping(patience=1, restore_best=False), [1.0, 2.0])
    assert run.stopped and (run.net.theta == 2).all()


@pytest.mark.parametrize(
    ("settings", "values", "epoch"),
    [
        ({"mode": "max"}, [0.5, 0.6, 0.55, 0.9], 3),
        ({"monitor": "validation_accuracy"}, [0.5, 0.6, 0.55, 0.9], 3),  # more is better
        ({"min_delta": 0.2}, [1.0, 0.9, 0.1], 2),
        ({"min_delta": 0.05}, [1.0, 0.9, 0.8], 3),
        ({}, [1.0, 1.0, 0.5], 2),  # as good is not better
        ({}, [float("nan"), 0.5], 1),
    ],
)
def test_what_counts_as_better(settings, values, epoch):
    run = FakeRun().go(
        EarlyStopping(patience=1, **settings), values, settings.get("monitor", "validation_loss")
    )
    assert run.epoch == epoch


def test_a_callback_used_again_starts_anew():
    stopping = EarlyStopping(patience=1)
    FakeRun().go(stopping, [0.1, 0.2])
    assert FakeRun().go(stopping, [5.0, 4.0, 3.0]).stopped is None and stopping.best == 3.0


@pytest.mark.parametrize("make", [EarlyStopping, lambda monitor: Checkpoint("x", monitor=monitor)])
def test_a_monitor_that_is_not_there_lists_what_is(make):
    with pytest.raises(
        SettingError, match=r"no 'validation_los' (.|\n)*mean 'validation_loss'(.|\n)*one of loss"
    ):
        FakeRun().go(make(monitor="validation_los"), [1.0])
    with pytest.raises(SettingError, match=r"validation=0\.1"):
        FakeRun().go(make(monitor="validation_loss"), [1.0], name="accuracy")


@pytest.mark.parametrize(
    "make",
    [
        lambda: EarlyStopping(patience=0),
        lambda: EarlyStopping(patience="long"),
        lambda: EarlyStopping(patience=2.5),
        lambda: EarlyStopping(monitor=3),
        lambda: EarlyStopping(min_delta="small"),
        lambda: EarlyStopping(restore_best="yes"),
        lambda: EarlyStopping(mode="most"),
        lambda: EarlyStopping(min_delta=-1),
        lambda: Checkpoint("x", every=0),
        lambda: Checkpoint("x", every="2"),
        lambda: Checkpoint(3),
        lambda: CSVLog(3),
        lambda: Callbacks(3),
        lambda: Callbacks([EarlyStopping]),
        lambda: Callbacks(EarlyStopping),
        lambda: Callbacks([print]),
        lambda: LambdaCallback(on_epoch=print),
        lambda: LambdaCallback(on_epoch_end=3),
    ],
)
def test_impossible_settings_are_refused(make):
    with pytest.raises(SettingError):
        make()


def test_checkpoint_writes_every_nth_epoch(tmp_path):
    FakeRun().go(Checkpoint(tmp_path / "run-{epoch:02d}", every=2), [3.0] * 5)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run-02", "run-04"]
    tensors, record = storage.load_checkpoint(tmp_path / "run-04", net := FakeNetwork())
    assert (net.theta == 4).all() and record["epoch"] == 4 and tensors == {}


def test_checkpoint_with_a_monitor_keeps_the_best(tmp_path):
    FakeRun().go(Checkpoint(tmp_path / "best", monitor="validation_loss"), [3.0, 1.0, 2.0])
    storage.load_checkpoint(tmp_path / "best", net := FakeNetwork())
    assert (net.theta == 2).all()


def test_a_path_with_an_unknown_field_is_refused(tmp_path):
    with pytest.raises(SettingError, match="fields from epoch, loss"):
        FakeRun().go(Checkpoint(tmp_path / "{step}"), [1.0])


@pytest.mark.parametrize("cut", [1, 2, 3, 4])
def test_a_resumed_run_stops_and_restores_as_the_whole_one(tmp_path, cut):
    losses = [3.0, 1.0, 2.0, 2.0, 2.0, 0.1]

    def callbacks():  # the checkpoint is named first, yet sees what early stopping knows
        return [Checkpoint(tmp_path / "c"), EarlyStopping(patience=3)]

    whole = FakeRun().go(callbacks(), losses)
    FakeRun().go(callbacks(), losses[:cut])
    net, fresh = FakeNetwork(), callbacks()
    tensors, record = storage.load_checkpoint(tmp_path / "c", net)
    Callbacks(fresh).restore(tensors, record["callbacks"])
    resumed = FakeRun(net, epoch=record["epoch"]).go(fresh, losses[cut:])
    assert resumed.epoch == whole.epoch == 5 and (resumed.net.theta == 2).all()


def test_a_resumed_checkpoint_remembers_its_best(tmp_path):
    checkpoint = Checkpoint(tmp_path / "c", monitor="validation_loss")
    FakeRun().go(checkpoint, [1.0])
    tensors, record = storage.load_checkpoint(tmp_path / "c", net := FakeNetwork())
    again = Checkpoint(tmp_path / "c", monitor="validation_loss")
    Callbacks(again).restore(tensors, record["callbacks"])
    FakeRun(net, epoch=1).go(again, [2.0])
    storage.load_checkpoint(tmp_path / "c", net)
    assert (net.theta == 1).all()


def test_lambda_callback_calls_its_functions():
    seen = []
    callback = LambdaCallback(
        on_train_begin=lambda run: seen.append("begin"),
        on_epoch_end=lambda run, row: seen.append(row["epoch"]),
        on_train_end=lambda run: seen.append("end"),
    )
    FakeRun().go(callback, [1.0, 2.0])
    assert seen == ["begin", 1, 2, "end"]


def test_events_come_in_order_to_all_with_checkpoints_last(tmp_path):
    seen = []

    class Note(Callback):
        def on_epoch_end(self, run, row):
            seen.append((tmp_path / "c").exists())

    FakeRun().go([Checkpoint(tmp_path / "c"), Note(), Note()], [1.0])
    assert seen == [False, False] and (tmp_path / "c").exists()


def rows(path):
    with path.open(newline="") as file:
        return [(int(row["epoch"]), float(row["validation_loss"])) for row in csv.DictReader(file)]


def test_csv_log_has_each_row_at_once(tmp_path):
    path, seen = tmp_path / "log.csv", []
    FakeRun().go(
        [CSVLog(path), LambdaCallback(on_epoch_end=lambda *_: seen.append(len(rows(path))))], [3.0, 2.0]
    )
    assert seen == [1, 2] and rows(path) == [(1, 3.0), (2, 2.0)]
    FakeRun().go(CSVLog(path), [7.0])
    assert rows(path) == [(1, 7.0)]


def test_csv_log_of_a_resumed_run_replaces_what_is_computed_again(tmp_path):
    path = tmp_path / "log.csv"
    FakeRun().go(CSVLog(path), [3.0, 2.0, 1.0])
    FakeRun(epoch=2).go(CSVLog(path), [1.5, 0.5])
    assert rows(path) == [(1, 3.0), (2, 2.0), (3, 1.5), (4, 0.5)]

"""2011: log-mel features, and spoken digits read by a network; with tones where espeak-ng is absent, with its voices where it is there."""

import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from fastnn.errors import DataError, FastnnError
from fastnn.examples import sound, speaking, speech

RATE = 16_000


def tone(hertz, seconds=0.5, rate=RATE):
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def centres():
    """Frequencies at which the 40 filters are 1."""
    mel = np.linspace(1127 * np.log1p(64 / 700), 1127 * np.log1p(8000 / 700), 42)
    return 700 * np.expm1(mel[1:-1] / 1127)


@pytest.mark.parametrize("k", [3, 10, 20, 30, 38])
def test_a_tone_is_loudest_in_the_filter_that_it_belongs_to(k):
    features = sound.log_mel(tone(centres()[k]), RATE)
    assert set(features.argmax(axis=1)) == {k}


def test_the_power_of_a_tone_does_not_depend_on_frame_or_window():
    """Half an amplitude is log 4 less in every filter that hears it."""
    loud, soft = sound.log_mel(tone(1000), RATE), sound.log_mel(0.5 * tone(1000), RATE)
    np.testing.assert_allclose((loud - soft)[:, 15:18], np.log(4), rtol=1e-4)


def test_filters_rise_where_the_one_before_falls():
    filters = sound.mel_filters(RATE, 4097)
    f = np.linspace(0, RATE / 2, 4097)
    inside = (f >= centres()[0]) & (f <= centres()[-1])
    np.testing.assert_allclose(filters.sum(axis=0)[inside], 1, rtol=1e-9)
    assert filters.shape == (40, 4097) and filters.min() == 0 and filters.max() <= 1
    assert np.abs(f[filters.argmax(axis=1)] - centres()).max() <= f[1]


@pytest.mark.parametrize(("samples", "frames"), [(400, 1), (559, 1), (560, 2), (16_000, 98)])
def test_a_frame_of_25_ms_every_10_ms(samples, frames):
    assert sound.log_mel(np.zeros(samples), RATE).shape == (frames, 40)


def test_silence_is_finite_and_less_than_a_frame_is_refused():
    assert np.isfinite(sound.log_mel(np.zeros(1000), RATE)).all()
    with pytest.raises(DataError, match="less than one frame"):
        sound.log_mel(np.zeros(399), RATE)


def test_context_puts_neighbours_beside_each_frame():
    features = np.random.default_rng(0).normal(size=(20, 40))
    rows = sound.context(features, 5)
    assert rows.shape == (20, 440)
    np.testing.assert_array_equal(rows[7].reshape(11, 40), features[2:13])
    np.testing.assert_array_equal(rows[0].reshape(11, 40)[:6], np.repeat(features[:1], 6, axis=0))
    np.testing.assert_array_equal(sound.context(features, 0), features)


def test_words_are_cut_at_pauses_and_not_within():
    words = [1000 * tone(300, seconds) for seconds in (0.3, 0.5)]
    gap, closure = np.zeros(round(0.5 * RATE)), np.zeros(round(0.1 * RATE))
    parts = speaking.cut(np.concatenate([gap, words[0], closure, words[0], gap, words[1], gap]), RATE)
    assert [round(len(part) / RATE, 1) for part in parts] == [0.7, 0.5]
    assert speaking.cut(gap, RATE) == []


def test_noise_is_as_far_below_the_voice_as_asked():
    voice = tone(440, 2.0)
    noise = speaking.add_noise(voice, 20.0, np.random.default_rng(0)) - voice
    assert 10 * np.log10((voice**2).mean() / (noise**2).mean()) == pytest.approx(20, abs=0.2)


def test_held_out_voices_and_accents_are_never_trained_on():
    assert not set(speech.HEARD) & set(speech.HELD_OUT)
    assert not set(speech.ACCENTS) & set(speech.NEW_ACCENTS)


def test_without_espeak_the_example_says_in_a_sentence_what_to_install(monkeypatch, capsys):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(
        FastnnError, match=r"espeak-ng, which is not installed\n +try +apt-get install espeak-ng"
    ):
        speech.run()
    command = [sys.executable, "-m", "fastnn.examples.speech"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and done.stderr.startswith(
        "error: spoken digits are made by the program espeak-ng"
    )
    assert "Traceback" not in done.stderr


def hum(session):
    """In place of a voice: digit d is two tones, the pitch shifts them a little, and the speed is the length."""
    shift = 1 + 0.001 * (session.pitch - 50)
    seconds = 0.3 * 150 / session.speed
    return [
        tone(250 * 1.3**d * shift, seconds) + tone(400 * 1.3 ** ((3 * d) % 10) * shift, seconds)
        for d in range(10)
    ], RATE


def test_the_whole_example_with_tones_for_voices(monkeypatch, tmp_path):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(speech, "say_digits", hum)
    monkeypatch.setattr(speech, "variants_there", lambda: {*speech.HEARD[:4], *speech.HELD_OUT[:2]})
    monkeypatch.setattr(speech, "MODELS", [replace(model, hidden=(32,)) for model in speech.MODELS[1::2]])
    numbers = speech.run(each=2, epochs=30, out=str(tmp_path / "a.png"))
    assert numbers["voices"] == (4, 2) and numbers["data"]["new voices"][0] == 2 * 2 * 10
    last = numbers["rows"][-1]
    assert last["new voices"]["digits"] > 0.9 and last["parameters"] == 440 * 32 + 32 + 32 * 10 + 10
    assert last["new voices"]["table"].sum() == 40
    assert (tmp_path / "a.png").stat().st_size > 20_000 and len(speech.report(numbers)) == 3
    again = speech.run(each=2, epochs=30)["rows"][-1]
    assert again["new voices"]["frames"] == last["new voices"]["frames"], "the seed decides all of it"


def test_an_espeak_without_the_voices_is_refused(monkeypatch):
    monkeypatch.setattr(speech, "variants_there", lambda: {"other"})
    with pytest.raises(DataError, match=r"lacks the voices of this example\n +got +other"):
        speech.run()


def test_a_network_reads_digits_of_voices_that_it_never_heard(monkeypatch, capsys):
    if shutil.which("espeak-ng") is None:
        with capsys.disabled():
            print(
                "\nespeak-ng is not installed, so nothing was spoken: the features and the example were tested with tones"
            )
        return
    monkeypatch.setattr(speech, "HEARD", ("m1", "m3", "f1", "f2", "klatt", "Alex"))
    monkeypatch.setattr(speech, "HELD_OUT", ("m7", "f4"))
    monkeypatch.setattr(speech, "MODELS", speech.MODELS[-1:])
    row = speech.run(each=2, epochs=5)["rows"][0]
    assert row["new voices"]["frames"] > 0.6 and row["new voices"]["digits"] > 0.8
    with capsys.disabled():
        print(
            f"\nspoken digits: {100 * row['new voices']['digits']:.0f} % of those of two new voices were read rightly"
        )

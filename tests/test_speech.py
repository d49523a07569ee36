"""The SPEECH world: its words, sounds and frames, the word error rate, the encoder and what they refuse; the shipped encoders."""
import numpy as np
import pytest
import torch

from data import speech
from data.speech import encoder, recipes
from utils.settings import ROOT

WINDOWS = recipes.WINDOWS


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_homophones_share_a_sound_and_obey_the_word_before(rng):
    assert speech.sound_of("sea") == speech.sound_of("see") != speech.sound_of("rose") == speech.sound_of("rows")
    assert len({speech.sound_of(word) for word in speech.WORDS}) == len(speech.SOUNDS) == len(speech.GLIDES) == 11
    acts = {act for _, act in speech.HOMOPHONES}
    followed = {}
    for _ in range(300):
        words = speech.sentence(rng, 6)
        assert len(words) == 6 and not speech.is_homophone(words[0])
        for before, word in zip(words, words[1:]):
            if speech.is_homophone(word):
                assert not speech.is_homophone(before) and (word in acts) == (before in speech.THINGS)
                followed.setdefault(speech.sound_of(word), set()).add(word)
    assert all(len(words) == 2 for words in followed.values()) and len(followed) == 3
    for example in ("boat see", "run sea", "tree lamp wail", "sing bird swim rose"):
        assert example in speech.__doc__


def test_an_utterance_says_when_its_words_sound(rng):
    utterance = speech.say(rng, ("run", "sea", "boat"), (0.1, 0.5, 0.04, 0.2))
    assert utterance.text == "run sea boat" and utterance.samples.dtype == np.float32
    starts, stops = map(np.array, zip(*utterance.spans))
    assert np.allclose(starts - [0, *stops[:2]], (0.1, 0.5, 0.04)) and utterance.seconds == pytest.approx(stops[2] + 0.2)
    assert np.all((stops - starts >= 0.1) & (stops - starts <= 0.18))
    loud = np.square(utterance.samples)
    voiced = np.concatenate([loud[int(start * speech.RATE):int(stop * speech.RATE)] for start, stop in utterance.spans])
    assert voiced.mean() > 1.5 * loud[:800].mean()


def test_drawn_gaps_are_short_but_for_some_pauses(rng):
    gaps = np.concatenate([[after - stop for (_, stop), (after, _) in zip(one.spans, one.spans[1:])]
                           for one in speech.utterances(rng, 300)])
    pauses = gaps > 0.1
    assert 0.05 < pauses.mean() < 0.15 and gaps[pauses].min() >= 0.29 and gaps[pauses].max() <= 1.61 and gaps.min() > 0.019
    assert {len(one.words) for one in speech.utterances(rng, 100)} == set(range(2, 8))


def test_hesitations_pause_before_a_homophone(rng):
    for one in speech.hesitations(rng, 0.8, 20):
        assert len(one.words) == 3 and speech.is_homophone(one.words[2])
        assert one.spans[2][0] - one.spans[1][1] == pytest.approx(0.8) and one.spans[1][0] - one.spans[0][1] == pytest.approx(0.04)


def test_frames_never_look_ahead_and_stream(rng):
    samples = speech.say(rng, ("run", "sea")).samples
    frames = speech.features(samples)
    assert frames.shape == (len(samples) // speech.HOP, speech.BANDS) and frames.dtype == np.float32
    assert np.allclose(frames.mean(1), 0, atol=1e-5) and np.allclose(frames.std(1), 1, atol=0.02)
    assert np.array_equal(speech.features(samples[:10 * speech.HOP]), frames[:10])
    rest = speech.features(samples[10 * speech.HOP:], samples[10 * speech.HOP - (speech.SPAN - speech.HOP):10 * speech.HOP])
    assert np.array_equal(rest, frames[10:]) and speech.features(samples[:159]).shape == (0, speech.BANDS)


def test_word_error_rate():
    assert speech.edits([], ["a", "b"]) == 2 and speech.edits(["a", "c"], ["a", "b"]) == 1 == speech.edits(["a", "b", "b"], ["a", "b"])
    assert speech.edits(["b", "c", "d"], ["a", "b", "c"]) == 2
    assert speech.word_error_rate([["a"], ["b", "c"]], [["a"], ["b", "d"]]) == pytest.approx(100 / 3)


def test_nonsense_is_refused_by_name(rng):
    for call, message in ((lambda: speech.say(rng, ()), "at least one word"), (lambda: speech.say(rng, ("sun",)), "'sun' is not one of"),
                          (lambda: speech.say(rng, ("run",), (0.1,)), "1 words take 2 gaps"),
                          (lambda: speech.say(rng, ("run",), (0.1, -1)), "0 s or more"),
                          (lambda: speech.utterances(rng, 3, (0, 2)), "1 or more words"),
                          (lambda: speech.word_error_rate([], []), "found 0 and 0"),
                          (lambda: encoder.Encoder(WINDOWS, "learned"), "found 'learned'"),
                          (lambda: encoder.Encoder(WINDOWS, d_model=50), "found 4 and 50"),
                          (lambda: encoder.Encoder(WINDOWS)(torch.zeros(1, 0, speech.BANDS)), "T at least 1; found")):
        with pytest.raises(ValueError, match=message):
            call()


@pytest.mark.parametrize("windows, positions", [(WINDOWS, "none"), (WINDOWS, "rope"), (recipes.FULL, "rope"), (recipes.FULL, "sinusoidal")])
def test_padding_changes_nothing_and_windows_bound_what_a_frame_hears(rng, windows, positions):
    model, drawn = encoder.Encoder(windows, positions), speech.utterances(rng, 3, (8, 12))
    frames, lengths = encoder.batch_of(drawn)
    together = model(frames, lengths)
    for row, one, length in zip(together, drawn, lengths):
        assert torch.allclose(row[:length], model(torch.from_numpy(one.frames)[None])[0], atol=1e-4)
    changed = frames[:1].clone()
    changed[0, 70] += 1
    touched = torch.where((model(changed) - model(frames[:1])).abs().amax((0, 2)) > 0)[0]
    reach = (70 - 8, 70 + 60 + 2) if windows == WINDOWS else (0, frames.shape[1] - 1)  # 2 more by stacking
    assert touched.min() >= reach[0] and touched.max() <= reach[1] and (windows == WINDOWS or len(touched) == frames.shape[1])


def test_a_window_sees_what_it_says():
    mask = encoder.window_mask(6, (2, 1))
    assert mask.int().tolist()[3] == [0, 0, 1, 1, 1, 0] and mask.int().tolist()[0] == [1, 1, 0, 0, 0, 0]
    padded = encoder.window_mask(6, None, torch.tensor([2, 6]))
    assert padded.shape == (2, 1, 6, 6) and padded[0, 0].int().tolist()[4] == [1, 1, 0, 0, 1, 0] and padded[1].all()
    assert encoder.window_mask(6, None) is None


def test_reading_out_merges_repeats_and_drops_blanks():
    run, blank = speech.WORDS.index("run"), encoder.BLANK
    path = torch.nn.functional.one_hot(torch.tensor([blank, run, run, blank, run, 0, blank]), blank + 1).float()
    assert encoder.read_out(path) == [("run", 1), ("run", 4), (speech.WORDS[0], 5)]


def test_a_batch_trains():
    model, batch = encoder.Encoder(WINDOWS), encoder.batches(0, pool=80)
    frames, lengths, words, counts = batch(0)
    assert frames.shape[:1] == lengths.shape == counts.shape == (16,) and frames.shape[1] == lengths.max() and len(words) == counts.sum()
    loss = encoder.ctc_loss(model, frames, lengths, words, counts)
    loss.backward()
    assert loss.item() > 1 and all(weight.grad is not None for weight in model.parameters())


def test_saved_encoders_load(tmp_path, monkeypatch):
    models = [encoder.Encoder(WINDOWS, "rope", seed=seed) for seed in (0, 1)]
    encoder.save(models, tmp_path)
    monkeypatch.setattr(encoder, "shipped", lambda name: tmp_path)
    frames = torch.randn(1, 30, speech.BANDS, generator=torch.Generator().manual_seed(0))
    for model, loaded in zip(models, encoder.load("any"), strict=True):
        assert loaded.windows == list(WINDOWS) and torch.allclose(loaded(frames), model(frames), atol=0.02)


@pytest.mark.parametrize("name", [recipe.__name__ for recipe in recipes.RECIPES])
def test_the_shipped_encoders_hear_and_have_a_card(rng, name):
    models, test = encoder.load(name), speech.utterances(np.random.default_rng(5), 60)
    card = (ROOT / "data" / "speech" / name / "README.md").read_text()
    assert f"{sum(weight.numel() for weight in models[0].parameters()):,} parameters" in card
    rates = [encoder.wer(model, test) for model in models]
    assert max(rates) < (25 if name in ("narrow", "full_none", "full_sinusoidal") else 5)

"""SPEECH: made-up speech, some of whose words sound alike and are told apart by the word before them.

A word is one sound: two tones that glide for 0.10 to 0.18 s, in noise, at 8,000 samples per second. Eight sounds are one
word each, four THINGS and four ACTS. Each of three further sounds is a pair of HOMOPHONES, a thing and an act:

    boat see    run sea    tree lamp wail    sing bird swim rose

A homophone follows a thing or an act, never another homophone and never nothing. After an act it is the thing, after a
thing the act: `run sea` and `boat see` end in the same sound. Between two words lie 20 to 60 ms without a tone or, more
rarely, a pause of 0.3 to 1.6 s.
"""
from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

RATE = 8000         # samples per second
HOP = 160           # samples per frame: 20 ms
SPAN = 256          # samples that a frame looks at, its own last: 32 ms
BANDS = 24          # numbers per frame
THINGS = ("lamp", "boat", "tree", "bird")
ACTS = ("run", "jump", "sing", "swim")
HOMOPHONES = (("sea", "see"), ("rose", "rows"), ("whale", "wail"))  # (thing, act) that share a sound
WORDS = (*THINGS, *ACTS, *(word for pair in HOMOPHONES for word in pair))
SOUNDS = (*THINGS, *ACTS, *(f"{thing}/{act}" for thing, act in HOMOPHONES))
GLIDES = np.array([(300, 700, 1100, 1100), (700, 300, 1100, 1700), (300, 700, 2300, 1700), (700, 300, 2300, 2300),
                   (300, 300, 1100, 2300), (700, 700, 2300, 1100), (500, 500, 1700, 1700), (500, 900, 2900, 1700),
                   (900, 500, 1700, 2900), (900, 900, 1100, 2900), (500, 300, 2900, 2900)])  # Hz: low tone from, to; high tone
WORD_SECONDS, GAP_SECONDS, PAUSE_SECONDS = (0.10, 0.18), (0.02, 0.06), (0.3, 1.6)
NOISE, JITTER, PAUSE_SHARE, HOMOPHONE_SHARE = 0.6, 0.06, 0.1, 0.4


@dataclass(frozen=True)
class Utterance:
    """Words, the sound that carries them, and when (in seconds) each of them starts and ends."""

    words: tuple[str, ...]
    samples: np.ndarray                     # (n_samples,) float32
    spans: tuple[tuple[float, float], ...]

    @property
    def text(self) -> str:
        """The words in one line."""
        return " ".join(self.words)

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return len(self.samples) / RATE

    @cached_property
    def frames(self) -> np.ndarray:
        """What a recogniser gets of the sound: `features` of it."""
        return features(self.samples)


def sound_of(word: str) -> int:
    """Index in SOUNDS of what `word` sounds like."""
    if word not in WORDS:
        raise ValueError(f"{word!r} is not one of the {len(WORDS)} words: {' '.join(WORDS)}")
    i = WORDS.index(word)
    plain = len(THINGS) + len(ACTS)
    return i if i < plain else plain + (i - plain) // 2


def is_homophone(word: str) -> bool:
    """Whether another word sounds like `word`."""
    return sound_of(word) >= len(THINGS) + len(ACTS)


def sentence(rng: np.random.Generator, length: int) -> tuple[str, ...]:
    """Draw `length` words that obey the rule of the homophones."""
    words: list[str] = []
    for _ in range(length):
        if words and not is_homophone(words[-1]) and rng.random() < HOMOPHONE_SHARE:
            words.append(HOMOPHONES[rng.integers(len(HOMOPHONES))][words[-1] in THINGS])
        else:
            words.append((THINGS + ACTS)[rng.integers(len(THINGS + ACTS))])
    return tuple(words)


def say(rng: np.random.Generator, words, gaps=None) -> Utterance:
    """Speak `words`: durations, loudness and a pitch are drawn; `gaps` are the seconds before each word and after the last.

    Drawn gaps are short, and one in ten between two words is a pause. Raises ValueError for no words, an unknown word, or
    gaps that are not one more than the words or are negative.
    """
    words = tuple(words)
    if not words:
        raise ValueError("an utterance needs at least one word")
    glides = GLIDES[[sound_of(word) for word in words]] * (1 + rng.uniform(-JITTER, JITTER, (len(words), 1)))
    if gaps is None:
        gaps = rng.uniform(*GAP_SECONDS, len(words) + 1)
        inner = np.arange(len(gaps)) % len(words) > 0
        pause = (rng.random(len(gaps)) < PAUSE_SHARE) & inner
        gaps[pause] = rng.uniform(*PAUSE_SECONDS, pause.sum())
    gaps = np.asarray(gaps, dtype=float)
    if gaps.shape != (len(words) + 1,) or (gaps < 0).any():
        raise ValueError(f"{len(words)} words take {len(words) + 1} gaps of 0 s or more; found {gaps}")
    silent = np.round(gaps * RATE).astype(int)
    voiced = np.round(rng.uniform(*WORD_SECONDS, len(words)) * RATE).astype(int)
    starts = np.cumsum(silent[:-1]) + np.cumsum(voiced) - voiced
    samples = NOISE * rng.standard_normal(silent.sum() + voiced.sum())
    for (low, low_end, high, high_end), start, length in zip(glides, starts, voiced):
        u = np.arange(length) / length
        phases = [2 * np.pi / RATE * length * (a * u + (b - a) * u * u / 2) for a, b in ((low, low_end), (high, high_end))]
        loudness = rng.uniform(0.7, 1.0) * np.minimum(1, 8 * np.minimum(u, 1 - u))
        samples[start:start + length] += loudness * (np.sin(phases[0]) + 0.7 * np.sin(phases[1]))
    spans = tuple((start / RATE, (start + length) / RATE) for start, length in zip(starts.tolist(), voiced.tolist()))
    return Utterance(words, samples.astype(np.float32), spans)


def utterances(rng: np.random.Generator, count: int, words: tuple[int, int] = (2, 7)) -> list[Utterance]:
    """Draw `count` utterances of `words[0]` to `words[1]` words each."""
    low, high = words
    if not 1 <= low <= high:
        raise ValueError(f"an utterance has 1 or more words, from the least to the most; found {words}")
    return [say(rng, sentence(rng, int(rng.integers(low, high + 1)))) for _ in range(count)]


def hesitations(rng: np.random.Generator, pause: float, count: int) -> list[Utterance]:
    """Draw `count` utterances of three words that pause for `pause` seconds before the last one, a homophone."""
    drawn: list[Utterance] = []
    while len(drawn) < count:
        words = sentence(rng, 3)
        if is_homophone(words[2]):
            drawn.append(say(rng, words, (0.04, 0.04, pause, 0.04)))
    return drawn


def _filters() -> np.ndarray:
    """(SPAN // 2 + 1, BANDS) triangles, evenly spaced from 150 to 3,600 Hz."""
    edges = np.linspace(150, 3600, BANDS + 2)
    hertz = np.fft.rfftfreq(SPAN, 1 / RATE)[:, None]
    rise, fall = (hertz - edges[:-2]) / (edges[1:-1] - edges[:-2]), (edges[2:] - hertz) / (edges[2:] - edges[1:-1])
    return np.maximum(0, np.minimum(rise, fall))


WINDOW, FILTERS = np.hanning(SPAN), _filters()


def features(samples: np.ndarray, before: np.ndarray | None = None) -> np.ndarray:
    """Spectrum of each whole frame of `samples`, compressed by asinh: (n_samples // HOP, BANDS), float32.

    A frame looks at its own HOP samples and at the SPAN - HOP before them, never ahead, and is brought to mean 0 and
    variance 1 by itself. `before`: the samples that precede; silence if None.
    """
    before = np.zeros(SPAN - HOP) if before is None else before
    count = len(samples) // HOP
    if not count:
        return np.zeros((0, BANDS), dtype=np.float32)
    line = np.concatenate([before, samples[:count * HOP]])
    frames = np.lib.stride_tricks.sliding_window_view(line, SPAN)[::HOP]
    bands = np.arcsinh(0.3 * np.abs(np.fft.rfft(frames * WINDOW)) @ FILTERS)
    bands -= bands.mean(1, keepdims=True)
    return (bands / (bands.std(1, keepdims=True) + 1e-3)).astype(np.float32)


def edits(found, right) -> int:
    """Fewest words to insert, delete or replace to turn `found` into `right` (Levenshtein)."""
    row = list(range(len(right) + 1))
    for i, word in enumerate(found, 1):
        previous, row = row, [i]
        for j, other in enumerate(right, 1):
            row.append(min(previous[j] + 1, row[-1] + 1, previous[j - 1] + (word != other)))
    return row[-1]


def word_error_rate(found, right) -> float:
    """Edits over the number of right words, in percent, over all utterances; both are lists of lists of words."""
    if len(found) != len(right) or not sum(map(len, right)):
        raise ValueError(f"compare as many transcripts as utterances, with words in them; found {len(found)} and {len(right)}")
    return 100 * sum(map(edits, found, right)) / sum(map(len, right))

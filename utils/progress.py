"""The course's progress bar: plain tqdm, written so that a stored notebook stays readable and comparable."""
from __future__ import annotations

import sys

from tqdm import tqdm


def progress(iterable=None, description: str = "", total: int | None = None) -> tqdm:
    """Return a tqdm bar over `iterable` (or `total` manual updates) labelled `description`.

    The elapsed time and anything set with `bar.set_postfix_str` follow a `≈`, so notebook validation skips them.
    """
    return tqdm(iterable, desc=description, total=total, file=sys.stdout, ncols=78, mininterval=0.3,
                bar_format="{desc} {n_fmt}/{total_fmt} |{bar:24}| ≈{elapsed}{postfix}")

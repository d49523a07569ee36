"""Grades one answer to an exercise: with a time limit, the learner's own line when it raises, and hints for wrong types."""
from __future__ import annotations

import _thread
import functools
import reprlib
import signal
import threading
import traceback
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType

ANSWER_SECONDS = 60
_ROOT = Path(__file__).resolve().parents[1]
_LIBRARIES = (str(Path(threading.__file__).parent), str(_ROOT / "utils"), str(_ROOT / "data"), "<frozen", "<__array")


@dataclass(frozen=True)
class Result:
    """What became of an answer: true if it is `right`; `line` says so in words, or why not. A cell ending in it shows no output."""

    right: bool
    line: str

    def __bool__(self) -> bool:
        return self.right

    def _ipython_display_(self) -> None:
        pass


class TimeUp(Exception):
    """An answer took longer than it may."""


def limited(run, seconds: float):
    """Return `run()`; raise TimeUp if it takes more than `seconds`.

    A timer interrupts the main thread as Ctrl-C does, on every system; in other threads there is no limit.
    """
    if threading.current_thread() is not threading.main_thread():
        return run()
    lock, state = threading.Lock(), "running"

    def stop():
        nonlocal state
        with lock:
            if state == "running":
                state = "late"
                _thread.interrupt_main()

    timer, before = threading.Timer(seconds, stop), signal.getsignal(signal.SIGINT)
    timer.daemon = True
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a background process may ignore interrupts
        timer.start()
        try:
            return run()
        finally:
            with lock:  # from here on the timer does nothing, or its interrupt is raised in this block
                state = "done" if state == "running" else state
            timer.cancel()
            signal.signal(signal.SIGINT, before or signal.SIG_DFL)
    except KeyboardInterrupt:
        if state == "late":
            raise TimeUp from None
        raise


def _own_line(error: Exception, grader, answer) -> str | None:
    """`line 3: return a[9]`: the last line of the learner's code that the exception passed through, None if it passed none."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__)
              if not frame.filename.startswith(_LIBRARIES) and "site-packages" not in frame.filename
              and frame.filename != grader.__code__.co_filename]
    written = getattr(getattr(answer, "__code__", None), "co_filename", None)
    mine = [frame for frame in frames if frame.filename == written] or frames
    return f"line {mine[-1].lineno}: {mine[-1].line}" if mine else None


def grade(exercise: str, grader, answer, seconds: float = ANSWER_SECONDS) -> Result:
    """Grade `answer`: `grader(answer)` raises AssertionError with a hint if it is wrong."""
    returned = []

    def observed(answer):
        @functools.wraps(answer)
        def call(*args, **kwargs):
            returned.append(answer(*args, **kwargs))
            return returned[-1]
        return call

    try:
        if answer is None or answer is ...:
            raise NotImplementedError
        limited(lambda: grader(observed(answer) if isinstance(answer, FunctionType) else answer), seconds)
    except NotImplementedError:
        return Result(False, f"○ {exercise}: not attempted. Fill in your answer and run this cell again.")
    except TimeUp:
        return Result(False, f"✘ {exercise}: not yet. Stopped after {seconds:g} s: does a loop of your answer ever end?")
    except AssertionError as hint:
        return Result(False, f"✘ {exercise}: not yet. {hint}")
    except Exception as error:
        what = f"{type(error).__name__}: {error}"
        if line := _own_line(error, grader, answer):
            return Result(False, f"✘ {exercise}: not yet. Your code raised {what}, in {line}")
        given = returned[-1] if returned else answer
        said = f"{'Your function returned' if returned else 'Your answer is'} {reprlib.repr(given)} (type {type(given).__name__})"
        advice = "Does every path end in `return ...`?" if given is None else f"The check cannot read that ({what})."
        return Result(False, f"✘ {exercise}: not yet. {said}. {advice}")
    return Result(True, f"✔ {exercise}: right.")

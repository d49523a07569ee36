"""Plots: every chart draws what it was given, and a stored figure carries its alt text."""
import base64

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import pytest

from utils import plots


@pytest.fixture
def shown(monkeypatch):
    """Collect what is displayed instead of displaying it."""
    calls = []

    class Handle:
        def update(self, data, raw):
            calls.append(data)

    monkeypatch.setattr(plots, "display", lambda data, **_: calls.append(data) or Handle())
    return calls


def test_charts_draw_their_data():
    fig, ax = plots.bars(["a", "b"], [1.0, 3.0], title="t", ylabel="y", baseline=2.0)
    assert [bar.get_height() for bar in ax.patches] == [1.0, 3.0] and [t.get_text() for t in ax.texts] == ["1", "3"]
    fig, ax = plots.curves([1, 2], {"a": [3, 4], "b": ([5, 6], [7, 8])}, "t", "x", "y", log="x")
    assert [list(line.get_xdata()) for line in ax.lines] == [[1, 2], [5, 6]] and ax.get_xscale() == "log"
    fig, ax = plots.pareto({"cheap": (1, 1), "good": (2, 3), "worse": (3, 2)}, "t", "x", "y")
    assert list(ax.lines[0].get_xdata()) == [1, 2], "the front leaves out what is dearer and worse"
    fig, ax = plots.timeline({"gpu": [(0, 2, "prefill", "blue")], "cpu": []}, "t", "s")
    assert ax.patches[0].get_width() == 2 and [t.get_text() for t in ax.get_yticklabels()] == ["gpu", "cpu"]
    fig, ax = plots.heatmap([[1, 2], [3, np.nan]], ["r", "s"], ["c", "d"], "t", "x", "y")
    assert [t.get_text() for t in ax.texts] == ["1", "2", "3"]
    plt.close("all")


def test_show_stores_picture_and_alt_text(shown):
    fig, _ = plots.bars(["a"], [1], title="t", ylabel="y")
    plots.show(fig, alt='one "bar" < 2')
    data, = shown
    before, picture = data["text/html"].split('src="data:image/png;base64,')
    assert data["text/plain"] == 'one "bar" < 2' and before == '<img alt="one &quot;bar&quot; &lt; 2" '
    assert base64.b64decode(picture.removesuffix('">')).startswith(b"\x89PNG") and not plt.get_fignums()
    with pytest.raises(ValueError, match="needs alt text"):
        plots.show(plt.figure(), alt=" ")
    plt.close("all")


def test_knob_draws_the_default_and_redraws(shown):
    drawn = []

    def draw(window):
        drawn.append(window)
        return plots.bars(["a"], [window], title="t", ylabel="y")[0]

    slider = ipywidgets.IntSlider(value=3, min=1, max=9)
    plots.knob(draw, alt="a bar", window=slider)
    slider.value = 7
    assert drawn == [3, 7] and len(shown) == 3
    assert shown[0]["text/plain"] == "[control: window; run the lesson from the top, then move it]"
    assert "run the lesson from the top" in shown[1]["text/html"] and "run the lesson" not in shown[2]["text/html"]
    with pytest.raises(TypeError, match="draw takes"):
        plots.knob(draw, alt="a bar", size=slider)

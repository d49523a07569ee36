"""House style, the charts that recur across lessons, and `show` and `knob`, which put a figure into a notebook."""
from __future__ import annotations

import base64
import html
import inspect
import io

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display

# Okabe and Ito's palette (2008): distinguishable with any colour vision; `LINES` also tells series apart in grey.
COLORS = {"blue": "#0072B2", "orange": "#E69F00", "green": "#009E73", "red": "#D55E00",
          "purple": "#CC79A7", "sky": "#56B4E9", "yellow": "#F0E442", "grey": "#7F7F7F", "black": "#000000"}
CYCLE = [COLORS[name] for name in ("blue", "orange", "green", "red", "purple", "sky", "grey")]
LINES = ["-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 2)), (0, (8, 2))]
MARKERS = ["o", "s", "^", "D", "v", "P", "X"]


def set_style() -> None:
    """Set matplotlib's defaults for the course."""
    plt.rcdefaults()
    plt.rcParams.update({
        "figure.figsize": (7.2, 3.6), "figure.dpi": 110, "savefig.dpi": 110, "figure.constrained_layout.use": True,
        "figure.facecolor": "white", "axes.prop_cycle": plt.cycler(color=CYCLE), "axes.spines.top": False,
        "axes.spines.right": False, "axes.grid": True, "grid.color": "#dddddd", "grid.linewidth": 0.6,
        "axes.axisbelow": True, "axes.titlesize": 11, "axes.titleweight": "bold", "axes.titlelocation": "left",
        "axes.labelsize": 10, "font.size": 10, "legend.frameon": False, "legend.fontsize": 9, "lines.linewidth": 2,
    })


def _picture(fig, alt: str):
    """Return the data of a display message: the figure as an <img> with its alt text, and that text.

    JupyterLab and nbconvert drop the alt text of a bare image/png, but keep the attribute of an <img>.
    """
    if not alt.strip():
        raise ValueError("a figure needs alt text: say in one sentence what it shows")
    buffer = io.BytesIO()
    fig.savefig(buffer, format="png", metadata={"Software": None})
    plt.close(fig)
    picture = base64.b64encode(buffer.getvalue()).decode()
    return {"text/html": f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{picture}">', "text/plain": alt}


def show(fig, alt: str) -> None:
    """Display `fig` with `alt` (one sentence for readers who cannot see it; measured numbers after a `≈`) and close it."""
    display(_picture(fig, alt), raw=True)


def knob(draw, alt: str, **controls) -> None:
    """Show the figure that `draw(**values)` returns, under one ipywidgets control per keyword argument.

    `controls`: name -> ipywidgets control. The figure for the controls' initial values is stored in the notebook as an
    ordinary picture, so it also reads on paper; moving a control in a live notebook replaces it. `alt` describes the
    initial figure. Raises TypeError when `draw` does not take exactly these names.
    """
    if set(inspect.signature(draw).parameters) != set(controls):
        raise TypeError(f"draw takes {list(inspect.signature(draw).parameters)} but the controls are {list(controls)}")
    for name, control in controls.items():
        control.description = control.description or name.replace("_", " ")
        control.style.description_width = "initial"
        display({"application/vnd.jupyter.widget-view+json": {
                     "version_major": 2, "version_minor": 0, "model_id": control.model_id},
                 "text/plain": f"[control: {control.description}; run the lesson from the top, then move it]"}, raw=True)
    values = lambda: {name: control.value for name, control in controls.items()}  # noqa: E731
    first = _picture(draw(**values()), alt)
    first["text/html"] += "<br><small>To move the control, run the lesson from the top.</small>"
    handle = display(first, raw=True, display_id=True)

    def redraw(_change):
        handle.update(_picture(draw(**values()), f"{alt} (moved to {values()})"), raw=True)

    for control in controls.values():
        control.observe(redraw, names="value")


def bars(names, values, title: str, ylabel: str, baseline: float | None = None, fmt: str = "{:.3g}"):
    """Bar chart of `values` (one per name), each written on its bar; `baseline` is a dashed line. Returns (fig, ax)."""
    fig, ax = plt.subplots()
    drawn = ax.bar(names, values, color=[CYCLE[i % len(CYCLE)] for i in range(len(names))])
    ax.bar_label(drawn, labels=[fmt.format(value) for value in values], padding=2)
    if baseline is not None:
        ax.axhline(baseline, color="black", linestyle="--", linewidth=1)
    ax.grid(axis="x", visible=False)
    ax.margins(y=0.15)
    ax.set(title=title, ylabel=ylabel)
    return fig, ax


def curves(x, series: dict, title: str, xlabel: str, ylabel: str, log: str = ""):
    """Line chart of several series over one `x` (or given as (x, y) pairs); `log` holds 'x', 'y' or both. Returns (fig, ax)."""
    fig, ax = plt.subplots()
    for i, (name, values) in enumerate(series.items()):
        xs, ys = values if isinstance(values, tuple) else (x, values)
        ax.plot(xs, ys, label=name, color=CYCLE[i % len(CYCLE)], linestyle=LINES[i % len(LINES)],
                marker=MARKERS[i % len(MARKERS)], markersize=5)
    if "x" in log:
        ax.set_xscale("log", base=2)
    if "y" in log:
        ax.set_yscale("log")
    ax.set(title=title, xlabel=xlabel, ylabel=ylabel)
    if len(series) > 1:
        ax.legend()
    return fig, ax


def pareto(points: dict, title: str, xlabel: str, ylabel: str):
    """Scatter of name -> (cost, quality) with the Pareto front (cheaper and better) drawn as a step. Returns (fig, ax)."""
    fig, ax = plt.subplots()
    front, best = [], -np.inf
    for cost, quality in sorted(points.values(), key=lambda point: (point[0], -point[1])):
        if quality > best:
            front.append((cost, quality))
            best = quality
    ax.step(*zip(*front), where="post", color="black", linewidth=1, linestyle="--", label="Pareto front")
    for i, (name, (cost, quality)) in enumerate(points.items()):
        ax.plot(cost, quality, MARKERS[i % len(MARKERS)], color=CYCLE[i % len(CYCLE)], markersize=8)
        ax.annotate(name, (cost, quality), textcoords="offset points", xytext=(7, 5))
    ax.margins(0.15)
    ax.set(title=title, xlabel=xlabel, ylabel=ylabel)
    ax.legend(loc="lower right")
    return fig, ax


def timeline(lanes: dict, title: str, xlabel: str):
    """Gantt chart: lane -> list of (start, length, label, color name); one row per lane, first on top. Returns (fig, ax)."""
    fig, ax = plt.subplots(figsize=(7.2, 0.8 + 0.6 * len(lanes)))
    for row, spans in enumerate(lanes.values()):
        for start, length, label, color in spans:
            ax.barh(row, length, left=start, height=0.6, color=COLORS[color], edgecolor="white")
            ax.text(start + length / 2, row, label, ha="center", va="center", fontsize=8)
    ax.set_yticks(range(len(lanes)), lanes)
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)
    ax.set(title=title, xlabel=xlabel)
    return fig, ax


def heatmap(matrix, rows, columns, title: str, xlabel: str, ylabel: str, fmt: str = "{:.2g}", ax=None, cmap="cividis", **imshow):
    """Heat map of `matrix` (rows x columns), each value written in its cell; `imshow` goes to ax.imshow. Returns (fig, ax)."""
    matrix = np.asarray(matrix, dtype=float)
    fig, ax = (ax.figure, ax) if ax is not None else plt.subplots(figsize=(1.6 + 0.7 * len(columns), 1.4 + 0.45 * len(rows)))
    image = ax.imshow(matrix, aspect="auto", cmap=cmap, **imshow)
    for (i, j), value in np.ndenumerate(matrix):
        if np.isfinite(value):
            red, green, blue, _ = image.cmap(image.norm(value))
            dark = 0.3 * red + 0.6 * green + 0.1 * blue < 0.5
            ax.text(j, i, fmt.format(value), ha="center", va="center", fontsize=8, color="white" if dark else "black")
    ax.set_xticks(range(len(columns)), columns)
    ax.set_yticks(range(len(rows)), rows)
    ax.grid(visible=False)
    ax.set(title=title, xlabel=xlabel, ylabel=ylabel)
    return fig, ax

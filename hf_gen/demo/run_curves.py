"""What is plotted of the runs: their numbers in words, along the training, and their alarms."""

import math
from collections.abc import Iterable, Mapping, Sequence

import gradio as gr
import pandas as pd

from hf_gen.demo.run_logs import HELD_OUT, PAIRS, SPLITS, TRAINING, Domains, RunLog
from hf_gen.metrics import DIRECTIONS, Direction, Metric, metric_info

DECLARED = "collapse declared"
"""The split of the rows that mark a stretch of a timeline."""
MOST_PLOTS = 4
_COLUMNS = ["run", "split", "epoch", "value"]
_MOST_POINTS = 400
# The first steps are so far off that the rest would be a flat line beside them.
_UNSETTLED = 20
# How runs.css knows these strokes.
_PALE, _ALARM = "80", "#d1495b66"
_L1 = "mean absolute, of [-1, 1]"
_MEAN = "mean of both directions"
_MEANS = {
    "generators/adversarial": Metric("adversarial loss of the generators", _MEAN),
    "generators/cycle": Metric("error of there and back", _L1),
    "generators/identity": Metric("change of an image that is in the domain", _L1),
    "discriminators/disc": Metric("loss of the discriminators", _MEAN),
}
_WORDS = _MEANS | {
    "objective": Metric("objective", "what is minimised"),
    "generators/objective": Metric("objective of the generators", "what is minimised"),
    "discriminators/objective": Metric("objective of the discriminators", "what is minimised"),
    "kid": Metric("KID", f"{_MEAN}, 0 at best"),
    "learning_rate": Metric("learning rate", ""),
}
_FIRST = ("negative_elbo", "generators/adversarial", "generators/cycle", "kid")
"""What is shown unless something else is chosen, where it was logged."""


def numbers_of(runs: Iterable[RunLog]) -> list[str]:
    """What the runs have logged, without its split: what is looked at first comes first."""
    logged = [
        name
        for key in dict.fromkeys(key for run in runs for key in run.keys)
        for split, _, name in [key.partition("/")]
        if split in SPLITS and not name.endswith("/collapsed")
    ]
    order = [key for key in (*_FIRST, *_MEANS) if key in logged]
    return list(dict.fromkeys([*order, *logged]))


def words(key: str, domains: Domains) -> Metric:
    """A number of a log for people.

    Args:
        key: From `numbers_of`.
        domains: What the two domains are called.
    """
    if key in _WORDS:
        return _WORDS[key]
    for mean, number in _MEANS.items():
        if key in PAIRS[mean]:
            way = " to ".join(domains if key.endswith("a_to_b") else domains[::-1])
            image = f"{domains[0 if key.endswith('_a') else 1]} images"
            what = way if mean == "generators/adversarial" else image
            return Metric(f"{number.name}, {what}", number.unit.replace(_MEAN, ""))
    try:
        return metric_info(key, domains)
    except (KeyError, StopIteration):
        return Metric(key.replace("/", ": ").replace("_", " "), "")


def sentence_case(text: str) -> str:
    """The text with a capital at its beginning."""
    return text[:1].upper() + text[1:]


def choose_numbers(picked: Sequence[str], runs: Iterable[RunLog]) -> list[str]:
    """The numbers that were picked and logged, completed so that every run has a curve.

    Args:
        picked: From `numbers_of`.
        runs: What is looked at.
    """
    runs = list(runs)
    logged = {run.name: numbers_of([run]) for run in runs}
    kept = [key for key in picked if any(key in keys for keys in logged.values())]
    for keys in logged.values():
        if not set(keys) & set(kept):
            kept += [key for key in _FIRST if key in keys] or keys[:1]
    return list(dict.fromkeys(kept))[:MOST_PLOTS]


def curves(runs: Iterable[RunLog], key: str) -> pd.DataFrame:
    """A number along the trainings, at most 400 points a curve.

    Args:
        runs: Whose.
        key: From `numbers_of`.

    Returns:
        Columns "run", "split" ("training" or "held out"), "epoch" and "value".
    """
    rows = [
        (run.name, split, *point)
        for prefix, split in SPLITS.items()
        for run in runs
        for point in _thinned(run.points(f"{prefix}/{key}"))
    ]
    return pd.DataFrame(rows, columns=_COLUMNS)


def _thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Every so many points and the last: a curve that grows keeps those it has shown."""
    every = max(1, math.ceil(len(points) / (_MOST_POINTS - 1)))
    kept = points[::every]
    return kept if not points or kept[-1] == points[-1] else [*kept, points[-1]]


def timeline(runs: Iterable[RunLog], direction: Direction, score: str) -> pd.DataFrame:
    """A score of mode collapse along the trainings, as `curves` gives it.

    Rows whose split is "collapse declared" repeat the stretches from the evaluation before to the
    one that declares it; a row without a value stands between two stretches.
    """
    declared: list[tuple[str, str, float, float]] = []
    shown: list[tuple[str, str, float, float]] = []
    for run in runs:
        points = run.points(f"validation/{direction}/{score}")
        alarms = dict(run.points(f"validation/{direction}/collapsed"))
        shown += [(run.name, HELD_OUT, *point) for point in _thinned(points)]
        before = (0.0, points[0][1]) if points else (0.0, 0.0)
        was_declared = False
        for epoch, value in points:
            is_declared = bool(alarms.get(epoch))
            if is_declared and not was_declared:
                declared += [(run.name, DECLARED, before[0], math.nan)]
                declared += [(run.name, DECLARED, *before)]
            if is_declared:
                declared += [(run.name, DECLARED, epoch, value)]
            before, was_declared = (epoch, value), is_declared
    return pd.DataFrame([*declared, *shown], columns=_COLUMNS)


def alarms(runs: Iterable[RunLog]) -> list[str]:
    """A sentence for each translation of a run in which collapse was declared."""
    sentences = []
    for run in runs:
        for direction in DIRECTIONS:
            points = run.points(f"validation/{direction}/collapsed")
            epochs = [epoch for epoch, is_declared in points if is_declared]
            way = " to ".join(run.domains if direction == "a_to_b" else run.domains[::-1])
            if epochs:
                sentences.append(
                    f"{run.name}, {way}: collapse was declared at {len(epochs)} of {len(points)} "
                    f"evaluations, the last time at epoch {epochs[-1]:.3g}."
                )
    return sentences


def limits(frames: Sequence[pd.DataFrame]) -> list[float | None]:
    """What the value axis has to show: all but the first twentieth of each curve, rounded outwards.

    Returns:
        The lower and the upper end; None twice if there is no value.
    """
    settled: list[float] = []
    for frame in frames:
        for _, curve in frame[frame.split != DECLARED].groupby(["run", "split"]):
            settled += list(curve.value)[len(curve) // _UNSETTLED :]
    if not settled:
        return [None, None]
    low, high = min(settled), max(settled)
    span = (high - low) or abs(high) or 1.0
    # Coarse ends stay where they are while a training adds a point.
    unit: float = 10.0 ** math.floor(math.log10(span)) / 4
    margin = 0.02 * span
    lower = math.floor((low - margin) / unit) * unit
    upper = math.ceil((high + margin) / unit) * unit
    return [max(lower, 0.0) if low >= 0 else lower, upper]


def empty_plot(height: int) -> gr.LinePlot:
    """A plot that is filled by `line_plot` later, so many pixels high."""
    return gr.LinePlot(
        x="epoch",
        y="value",
        color="curve",
        x_title="epoch",
        colors_in_legend=[],
        y_axis_format=",.6~g",
        x_lim=[0, None],
        height=height,
        min_width=420,
        elem_classes="runs-plot",
        visible=False,
    )


def line_plot(
    frame: pd.DataFrame, number: Metric, colour: Mapping[str, str], shown: list[float | None]
) -> gr.LinePlot:
    """What fills an `empty_plot`.

    Args:
        frame: From `curves` or `timeline`.
        number: What its values are.
        colour: Of each run.
        shown: The ends of the value axis, from `limits`.
    """
    looks = {TRAINING: _PALE, HELD_OUT: ""}
    colour_map = {
        f"{name}, {split}": _ALARM if split == DECLARED else colour[name] + looks[split]
        for name, split in zip(frame.run, frame.split, strict=True)
    }
    return gr.LinePlot(
        frame.assign(curve=frame.run + ", " + frame.split),
        label=sentence_case(number.name),
        y_title=number.unit or number.short,
        y_lim=shown,
        color_map=colour_map,
        show_label=True,
        visible=True,
    )

"""Every figure of a CycleGAN run is drawn, and shows what the log and the pictures say."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from hf_gen.data.batches import Domain
from hf_gen.data.pixels import Pixels
from hf_gen.errors import UserError
from hf_gen.faces import CONTINUOUS, FACTORS
from hf_gen.images import grid, to_tensor
from hf_gen.models.cyclegan import ResnetGenerator
from hf_gen.pipelines import TranslationPipeline
from hf_gen.report import draw_translation_figures
from hf_gen.report.style import HELD_OUT, TRAIN
from hf_gen.report.translation import COLOURS
from hf_gen.runs.folder import RunFolder
from hf_gen.tasks.cyclegan import SHOWN

SIZE = 16
FIGURES = ("learning_curve", "a_to_b", "b_to_a", "collapse", "training")
SCORES = (
    "diversity",
    "coverage",
    "kernel_distance",
    "near_duplicates",
    "mode_collapse",
    "cycle_l1",
)
RED, GREEN, BLUE = (220, 20, 20), (20, 200, 20), (20, 20, 220)


def domain(count: int, colour: tuple[int, int, int]) -> Domain:
    """Held-out images of one colour, nothing to train on."""
    rows = torch.tensor(colour, dtype=torch.uint8).repeat(count, SIZE * SIZE)
    nothing = Pixels(rows[:0], torch.arange(0), SIZE)
    return Domain(nothing, Pixels(rows, torch.arange(count), SIZE))


def pipeline() -> TranslationPipeline:
    torch.manual_seed(0)
    there, back = (
        ResnetGenerator(SIZE, channels=4, num_downsamples=1, num_residual_blocks=1)
        for _ in range(2)
    )
    return TranslationPipeline(there, back, SIZE, domain_a="horse", domain_b="zebra")


def losses(split: str, value: float) -> dict[str, float]:
    return {f"{split}/{turn}/objective": value for turn in ("generators", "discriminators")}


def scores(value: float, collapsed: tuple[float, float]) -> dict[str, float]:
    found = {"validation/kernel_distance": value}
    for direction, is_collapsed in zip(("a_to_b", "b_to_a"), collapsed, strict=True):
        found |= {f"validation/{direction}/{name}": value for name in SCORES}
        found[f"validation/{direction}/mode_collapse"] = is_collapsed
    return found


def write_log(run: RunFolder, collapsed: list[tuple[float, float]], steps: int = 10) -> None:
    """A line every `steps` steps, every second one with an evaluation."""
    for place, alarm in enumerate(collapsed):
        step = steps * (2 * place + 1)
        run.log({"step": step, "epoch": step / 40, **losses("train", 3.0 / (place + 1))})
        evaluated = losses("validation", 2.0) | scores(0.1 * (place + 1), alarm)
        run.log({"step": step + steps, "epoch": (step + steps) / 40, **evaluated})


def shade_of(place: int, pictures: int) -> int:
    """The later the picture, the brighter the translations in it."""
    return 40 + 200 * place // max(pictures - 1, 1)


def preview(shade: int) -> Tensor:
    """Rows of one colour each: a is red, b is blue, their translations are grey and greener."""
    colours = (RED, (shade, shade, shade), BLUE, (0, shade, 0))
    return torch.cat(
        [to_tensor([Image.new("RGB", (SIZE, SIZE), colour)] * SHOWN) for colour in colours]
    )


def write_progress(run: RunFolder, steps: list[int]) -> None:
    for place, step in enumerate(steps):
        shown = preview(shade_of(place, len(steps)))
        run.save_progress(grid(shown, SHOWN, enlarge=2), step)


def make_run(
    folder: Path, collapsed: list[tuple[float, float]], steps: list[int] | None = None
) -> RunFolder:
    folder.mkdir()
    run = RunFolder(folder)
    write_log(run, collapsed)
    run.save_results({"images": 12.0})
    write_progress(run, steps or [20 * (place + 1) for place in range(len(collapsed))])
    return run


def draw(run: RunFolder, **counts: int) -> dict[str, Any]:
    """The pixels of each figure, (height, width, 3)."""
    a, b = domain(counts.get("a", 12), RED), domain(counts.get("b", 12), BLUE)
    draw_translation_figures(run, pipeline(), a, b)
    light = [path for path in run.figures.glob("*.png") if not path.stem.endswith("-dark")]
    return {path.stem: figure(run, path.stem) for path in light}


def figure(run: RunFolder, name: str) -> Any:
    with Image.open(run.figures / f"{name}.png") as picture:
        return np.asarray(picture.convert("RGB"))


def is_coloured(pixels: Any, colour: tuple[int, int, int]) -> Any:
    """Which pixels have exactly a colour, (height, width)."""
    return (pixels == np.array(colour, dtype=np.uint8)).all(axis=2)


def coloured(pixels: Any, colour: tuple[int, int, int]) -> int:
    """How many pixels have a colour."""
    return int(is_coloured(pixels, colour).sum())


def as_rgb(colour: str) -> tuple[int, int, int]:
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return red, green, blue


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunFolder, dict[str, Any]]:
    run = make_run(tmp_path_factory.mktemp("runs") / "healthy", [(0.0, 0.0)] * 4)
    return run, draw(run)


def test_every_figure_is_written_and_none_is_blank(
    healthy: tuple[RunFolder, dict[str, Any]],
) -> None:
    run, figures = healthy
    assert sorted(figures) == sorted(FIGURES)
    for name, pixels in figures.items():
        dark = figure(run, f"{name}-dark")
        assert dark.shape == pixels.shape
        assert dark[0, 0].max() < 30, name
        assert min(pixels.shape[:2]) >= 300, name
        assert 0.01 < (pixels < 250).any(axis=2).mean() < 0.95, name
        assert len(Image.fromarray(pixels).getcolors(pixels.size) or []) > 50, name


def test_the_curves_of_training_and_of_held_out_are_both_there(
    healthy: tuple[RunFolder, dict[str, Any]],
) -> None:
    pixels = healthy[1]["learning_curve"]
    for half in np.array_split(pixels, 2, axis=1):
        for colour in (TRAIN, HELD_OUT):
            assert coloured(half, as_rgb(colour)) > 100


def test_the_real_images_are_in_the_grid_of_their_own_direction(
    healthy: tuple[RunFolder, dict[str, Any]],
) -> None:
    for name, shown, other in (("a_to_b", RED, BLUE), ("b_to_a", BLUE, RED)):
        assert coloured(healthy[1][name], shown) > 10_000
        assert coloured(healthy[1][name], other) == 0


def test_both_directions_are_in_every_panel_of_the_timeline(
    healthy: tuple[RunFolder, dict[str, Any]],
) -> None:
    # The two curves lie on each other, and the one drawn last is seen; both are in the legend.
    for rows in np.array_split(healthy[1]["collapse"], 2):
        for panel in np.array_split(rows, 2, axis=1):
            assert coloured(panel, as_rgb(COLOURS["b_to_a"])) > 100
    assert coloured(healthy[1]["collapse"], as_rgb(COLOURS["a_to_b"])) > 20


def height_of(pixels: Any, colour: tuple[int, int, int]) -> float:
    """The mean row of a colour."""
    return float(np.flatnonzero(is_coloured(pixels, colour).any(axis=1)).mean())


def shaded_columns(pixels: Any) -> Any:
    """Which columns of the upper left panel of the timeline are grey over its height."""
    panel = pixels[: pixels.shape[0] // 2, : pixels.shape[1] // 2].astype(int)
    is_grey = (np.ptp(panel, axis=2) <= 8) & (panel[:, :, 0] > 190) & (panel[:, :, 0] < 245)
    return is_grey.mean(axis=0) > 0.4


def test_the_epochs_of_a_collapse_are_shaded_whichever_the_direction(
    tmp_path: Path, healthy: tuple[RunFolder, dict[str, Any]]
) -> None:
    fine = (0.0, 0.0)
    never = shaded_columns(healthy[1]["collapse"])
    assert never.sum() < 20  # lines of the grid
    run = make_run(tmp_path / "run", [fine, (1.0, 0.0), fine, (0.0, 1.0)])
    shaded = shaded_columns(draw(run)["collapse"])
    starts = np.flatnonzero(np.diff(shaded.astype(int)) == 1)
    ends = np.flatnonzero(np.diff(shaded.astype(int)) == -1)
    wide = [(start, end) for start, end in zip(starts, ends, strict=True) if end - start > 20]
    # From the evaluation before to the one that declares it: equally long, and as far apart.
    ((first, first_end), (second, second_end)) = wide
    assert second_end - second == pytest.approx(first_end - first, abs=4)
    assert second - first_end == pytest.approx(first_end - first, abs=4)


@pytest.mark.parametrize("pictures", [1, 37])
def test_the_strip_shows_the_same_faces_through_the_training(tmp_path: Path, pictures: int) -> None:
    steps = [20 * (place + 1) for place in range(pictures)]
    pixels = draw(make_run(tmp_path / "run", [(0.0, 0.0)] * 2, steps))["training"]
    middle = pixels.shape[1] // 2
    left, right = pixels[:, :middle], pixels[:, middle:]
    assert coloured(left, RED) > 1000
    assert coloured(right, BLUE) > 1000
    assert coloured(left, BLUE) == coloured(right, RED) == 0
    chosen = np.linspace(0, pictures - 1, min(pictures, 10)).round()
    shades = [shade_of(int(place), pictures) for place in chosen]
    for shade in shades:
        assert coloured(left, (shade, shade, shade)) > 300
        assert coloured(right, (0, shade, 0)) > 300
    # From early to late, from the top to the bottom.
    heights = [height_of(right, (0, shade, 0)) for shade in shades]
    assert heights == sorted(heights)


def test_the_pictures_are_in_the_order_of_their_steps(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", [(0.0, 0.0)] * 2, [500_000, 999_980, 1_000_000])
    right = draw(run)["training"]
    right = right[:, right.shape[1] // 2 :]
    heights = [height_of(right, (0, shade, 0)) for shade in (40, 140, 240)]
    assert heights == sorted(heights)


def test_few_held_out_images_are_shown_as_they_are(tmp_path: Path) -> None:
    figures = draw(make_run(tmp_path / "run", [(0.0, 0.0)] * 2), a=1, b=3)
    assert coloured(figures["a_to_b"], RED) > 1000
    assert coloured(figures["b_to_a"], BLUE) > 1000


def test_of_synthetic_faces_the_survival_of_every_factor_is_shown(
    tmp_path: Path, healthy: tuple[RunFolder, dict[str, Any]]
) -> None:
    assert "truth" not in healthy[1]
    run = make_run(tmp_path / "run", [(0.0, 0.0)] * 2)
    results = {"a_to_b/paired_l1": 0.2, "b_to_a/paired_l1": 0.3}
    for way, survived in (("a_to_b", 0.3), ("b_to_a", 0.6)):
        for factor in (*FACTORS, *CONTINUOUS):
            results |= {f"{way}/{factor}": survived, f"{way}/{factor}_ceiling": 0.9}
    run.save_results(results)
    truth = draw(run)["truth"]
    bars = [coloured(truth, as_rgb(COLOURS[way])) for way in ("a_to_b", "b_to_a")]
    # Twice as much survives the second way, so its bars are twice as high.
    assert bars[0] > 10_000
    assert bars[1] / bars[0] == pytest.approx(2, rel=0.15)


def test_drawing_again_writes_the_same_figures(
    healthy: tuple[RunFolder, dict[str, Any]],
) -> None:
    run, figures = healthy
    for name, pixels in draw(run).items():
        assert np.array_equal(pixels, figures[name]), name


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    write_log(run, [(0.0, 0.0)] * 2)
    run.save_results({"images": 12.0})
    run.figures.write_text("a file")
    with pytest.raises(UserError, match=r"figures is a file where a folder is needed"):
        draw(run)

"""The contact sheet shows what the bundled models make of the same faces, and is up to date."""

from pathlib import Path

import pytest
import torch
from PIL import Image

import hf_gen
from hf_gen.evaluation.factors import render_faces
from hf_gen.faces import STYLES, TEST_START, face_at
from tools.contact_sheet import SHEET, SHOWN, WEIGHTS_KEY, sheet_rows, weights_of, write_sheet
from tools.released import manifest

ROOT = Path(__file__).parents[2]
NAMES = ["face-vae", "cyclegan", "conv-vae"]
MAX_BYTES = 400_000


def test_rows_are_the_same_faces_by_each_model(tmp_path: Path) -> None:
    rows = sheet_rows(NAMES)
    labels = ["test faces", "conv-vae", "test faces", "face-vae", "test faces", "cyclegan"]
    assert [row.label for row in rows] == labels
    counts = [SHOWN, 2 * SHOWN, SHOWN, 2 * SHOWN, 2 * SHOWN, 2 * SHOWN]
    assert [len(row.images) for row in rows] == counts
    faces = [face_at(TEST_START + index) for index in range(SHOWN)]
    for inputs, outputs in (rows[:2], rows[2:4]):
        size = inputs.images.shape[-1]
        assert torch.equal(inputs.images, render_faces(faces, "anime", size))
        made = hf_gen.load(outputs.label).reconstruct(inputs.images, output_type="pt")
        assert torch.allclose(outputs.images[:SHOWN], made, atol=1e-5)
        samples = outputs.images[SHOWN:]
        assert samples.flatten(1).unique(dim=0).shape[0] == SHOWN
    inputs, outputs = rows[4:]
    translator = hf_gen.load("cyclegan")
    for place, (style, direction) in enumerate(zip(STYLES, ("a_to_b", "b_to_a"), strict=True)):
        of_style = slice(place * SHOWN, (place + 1) * SHOWN)
        drawn = render_faces(faces, style, 64)
        assert torch.equal(inputs.images[of_style], drawn)
        made = translator.translate(drawn, direction, output_type="pt")
        assert torch.allclose(outputs.images[of_style], made, atol=1e-5)
    write_sheet(rows, tmp_path / "new" / "sheet.png", weights_of(NAMES))
    with (
        Image.open(tmp_path / "new" / "sheet.png") as light,
        Image.open(tmp_path / "new" / "sheet-dark.png") as dark,
    ):
        assert light.size == dark.size
        assert light.text == dark.text == {WEIGHTS_KEY: weights_of(NAMES)}
        assert sum(light.convert("RGB").getpixel((1, 1))) > 700
        assert sum(dark.convert("RGB").getpixel((1, 1))) < 100


@pytest.mark.parametrize("suffix", ["", "-dark"])
def test_the_sheet_in_the_docs_is_of_the_bundled_weights(suffix: str) -> None:
    file = ROOT / SHEET.with_stem(SHEET.stem + suffix)
    assert file.stat().st_size < MAX_BYTES
    with Image.open(file) as sheet:
        remedy = "draw it again: python -m tools.contact_sheet"
        assert sheet.text[WEIGHTS_KEY] == weights_of(manifest()), remedy
    shown = [page for page in (ROOT / "docs").glob("*.md") if file.name in page.read_text("utf-8")]
    assert shown

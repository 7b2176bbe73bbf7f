"""What a manifest says of a model comes from the card beside it, whatever is in that."""

import json
from pathlib import Path

import pytest

from hf_gen.export.about import About, about_model

RESULT = """
  - task: {type: unconditional-image-generation}
    dataset: {name: some faces, type: faces}
    metrics: [{type: psnr, value: 20.5, name: PSNR (dB)}, {type: ssim, value: %s}]
"""
CARD = f"""---
license: cc0-1.0
tags: [hf_gen, faces]
model-index:
- name: small
  results: {RESULT % 0.75}
---
# A model
"""
PSNR = {"dataset": "some faces", "metric": "psnr", "name": "PSNR (dB)", "value": 20.5}
SSIM = {"dataset": "some faces", "metric": "ssim", "name": "ssim", "value": 0.75}
KNOWN = {"license": "cc0-1.0", "subject": "faces", "results": (PSNR, SSIM)}


def test_the_card_of_a_folder_is_read(tmp_path: Path) -> None:
    assert about_model(str(tmp_path)) == About(tmp_path.name)
    (tmp_path / "README.md").write_text(CARD)
    assert about_model(str(tmp_path)) == About(tmp_path.name, **KNOWN)


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        ("no header", {}),
        ("---\nlicense: [1, 2]\ntags: 3\nmodel-index: 3\n---\n", {}),
        ("---\n- a list\n---\n", {}),
        ("---\nlicense: {\n---\n", {}),
        (b"\xff\xfe\x00", {}),
        (CARD.replace("0.75", ".nan"), {**KNOWN, "results": (PSNR,)}),
        (CARD.replace("0.75", "much"), {**KNOWN, "results": (PSNR,)}),
        (CARD + "x" * 10**6, {}),
    ],
    ids=["none", "types", "list", "yaml", "bytes", "nan", "word", "huge"],
)
def test_what_is_no_metadata_is_left_out(
    card: str | bytes, expected: dict[str, object], tmp_path: Path
) -> None:
    (tmp_path / "README.md").write_bytes(card if isinstance(card, bytes) else card.encode())
    assert about_model(str(tmp_path)) == About(tmp_path.name, **expected)


def test_a_bundled_model_has_its_results_and_the_terms_of_its_data() -> None:
    about = about_model("face-vae")
    assert "educational use" in (about.training_data or "") or about.license
    values = {one["metric"]: one["value"] for one in about.results}
    assert values["psnr"] > 15
    assert json.dumps(about.results, allow_nan=False)

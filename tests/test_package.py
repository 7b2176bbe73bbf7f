"""What `import hf_gen` promises."""

import subprocess
import sys
from pathlib import Path

import hf_gen

ROOT = Path(__file__).parents[1]


def test_every_public_name_is_there() -> None:
    assert [getattr(hf_gen, name).__name__ for name in hf_gen.__all__] == hf_gen.__all__


def test_import_loads_no_heavy_library() -> None:
    script = "import sys, hf_gen, hf_gen.recipes; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"torch", "diffusers", "datasets", "accelerate", "matplotlib"} & set(loaded)


def test_readme_maps_every_file() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    files = [path.relative_to(ROOT) for path in (ROOT / "hf_gen").rglob("*.py")]
    files += [path.relative_to(ROOT) for path in (ROOT / "tests").rglob("*.py")]
    missing = [str(path) for path in files if f"{path.name}" not in readme]
    assert not missing

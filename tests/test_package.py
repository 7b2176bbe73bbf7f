"""What `import hf_gen` promises."""

import re
import subprocess
import sys
from collections import Counter
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
    files_section = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Files")[2]
    sources = [path for path in (ROOT / "hf_gen").rglob("*.py") if path.name != "__init__.py"]
    mapped = Counter(re.findall(r"^ +([a-z_]+\.py) ", files_section, re.MULTILINE))
    del mapped["__init__.py"]
    assert mapped == Counter(path.name for path in sources)

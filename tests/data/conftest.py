"""Datasets that are loaded at 8x8 pixels, with all caches in a temporary folder."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hf_gen.config import Data, Domains
from hf_gen.data.domains import load_domains
from hf_gen.data.sources import load_domain
from tests.data.pictures import SIZE

OF_B = {*Domains.__dataclass_fields__}


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Any]:
    """Loads one domain, or two where a flag of the second or `two` is given."""

    def load(folder: str | Path | None = None, two: bool = False, **values: Any) -> Any:
        name = {} if folder is None else {"dataset_name": str(folder)}
        fixed: dict[str, Any] = {"resolution": SIZE, "cache_dir": tmp_path / "cache"}
        of_b = {key: value for key, value in values.items() if key in OF_B}
        of_a = {key: value for key, value in values.items() if key not in OF_B}
        data = Data(**fixed | name | of_a)
        return load_domains(data, Domains(**of_b)) if two or of_b else load_domain(data)

    return load

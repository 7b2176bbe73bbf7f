"""`python -m tests.lowest`: the lowest versions that pyproject.toml admits, as pip's constraints.

    python -m tests.lowest > lowest.txt
    pip install -e . -r lowest.txt

What it prints are requirements: each library at its lower bound, all extras but those named below.
"""

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"
# The first needs torchvision, and the second checks the code and does not run it.
UNTESTED = ("benchmarks", "dev")
_BOUND = re.compile(r"(?P<name>[\w.-]+(\[[\w,]+\])?)>=(?P<version>[\d.]+)")


def lowest(requirements: Iterable[str]) -> dict[str, str]:
    """Each library of some requirements, and the lowest version of it.

    Raises:
        ValueError: If a requirement has no lower bound.
    """
    found = {}
    for requirement in requirements:
        bound = _BOUND.match(requirement)
        if bound is None:
            raise ValueError(f"{requirement!r} has no lower bound: write name>=version")
        found[bound["name"]] = bound["version"]
    return found


def main() -> None:
    """Prints the requirements."""
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    tested = [project["dependencies"], *(extras[name] for name in extras if name not in UNTESTED)]
    for name, version in sorted(lowest(one for group in tested for one in group).items()):
        print(f"{name}=={version}")


if __name__ == "__main__":
    main()

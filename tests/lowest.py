"""`python -m tests.lowest`: the lowest versions that pyproject.toml admits, as pip's constraints.

    python -m tests.lowest > lowest.txt
    pip install -e . -r lowest.txt

Each library at its lower bound, with all extras that the tests use.
"""

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"
# Benchmarks need torchvision, and the tools of `dev` do not run the code.
UNTESTED = ("benchmarks", "dev")
_BOUND = re.compile(r"(?P<name>[\w.-]+(\[[\w,]+\])?)>=(?P<version>[\d.]+)")


def lowest(requirements: Iterable[str]) -> dict[str, str]:
    """The lowest version of each library; raises ValueError if one has no lower bound."""
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

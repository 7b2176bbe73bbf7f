"""Writes the file map of docs/architecture.md: `python -m tools.file_map`, from each docstring."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- file map -->\n", "<!-- end of file map -->\n"


def file_map() -> str:
    """Every module of hf_gen with the first sentence of its docstring, by folder."""
    lines = ["```"]
    for folder in sorted({path.parent for path in (ROOT / "hf_gen").rglob("*.py")}):
        depth = len(folder.relative_to(ROOT).parts) - 1
        lines.append(f"{'  ' * depth}{folder.name + '/':<{30 - 2 * depth}}{_summary(folder)}")
        lines += [
            f"{'  ' * (depth + 1)}{path.name:<{28 - 2 * depth}}{_summary(path)}"
            for path in sorted(folder.glob("*.py"))
            if path.name != "__init__.py"
        ]
    return "\n".join((*lines, "```", ""))


def _summary(path: Path) -> str:
    file = path / "__init__.py" if path.is_dir() else path
    docstring = ast.get_docstring(ast.parse(file.read_text("utf-8"))) or ""
    return " ".join(docstring.partition("\n\n")[0].split()).rstrip(".")


def main() -> None:
    """Replaces the map in the page."""
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    PAGE.write_text(before + BEGIN + file_map() + END + rest.partition(END)[2], "utf-8")


if __name__ == "__main__":
    main()

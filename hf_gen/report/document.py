"""A report as one Markdown file for the Hub and GitHub, and the same as one self-contained page."""

import base64
import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

from hf_gen.runs.atomic import atomic_write_text

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.6 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; }}
body {{ padding: 0 1rem; }}
img {{ max-width: 100%; height: auto; }}
.wide {{ overflow-x: auto; }}
table {{ border-collapse: collapse; font-size: 0.85rem; font-variant-numeric: tabular-nums; }}
th, td {{ padding: 0.3rem 0.7rem; border-bottom: 1px solid #8885; text-align: right; }}
th:first-child, td:first-child {{ text-align: left; }}
td {{ white-space: nowrap; }}
@media (prefers-color-scheme: dark) {{ html {{ background: #0d1117; color: #e6edf3; }} }}
</style>
</head>
<body>
{body}
</body>
</html>
"""
_PICTURE = re.compile(r'(src|srcset)="(figures/[^"]+\.png)"')


@dataclass(frozen=True)
class Table:
    """Numbers of several runs; the first column names the run."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Picture:
    """A figure as it lies in figures/, in two themes: NAME.png and NAME-dark.png."""

    name: str
    shows: str


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it, in order: paragraphs, lists, tables, pictures."""

    title: str
    parts: Sequence[str | Sequence[str] | Table | Picture]


def write_report(folder: Path, title: str, sections: Sequence[Section]) -> None:
    """Writes report.md and report.html into a folder that holds figures/.

    Texts may hold Markdown; who makes them passes names through `as_text`.

    Raises:
        UserError: If the disk cannot be written.
    """
    markdown = "\n\n".join([f"# {title}", *(_section(section) for section in sections)]) + "\n"
    atomic_write_text(folder / "report.md", markdown)
    body = MarkdownIt("commonmark", {"html": True}).enable("table").render(markdown)
    body = body.replace("<table>", '<div class="wide"><table>').replace(
        "</table>", "</table></div>"
    )
    body = _PICTURE.sub(lambda match: _inlined(match, folder), body)
    atomic_write_text(folder / "report.html", _PAGE.format(title=html.escape(title), body=body))


def as_text(name: str) -> str:
    """A folder's or dataset's name so that neither Markdown nor HTML reads anything into it."""
    return html.escape(re.sub(r"([\\`*_{}\[\]()#+!|~])", r"\\\1", " ".join(name.split())))


def _section(section: Section) -> str:
    return "\n\n".join([f"## {section.title}", *(_part(part) for part in section.parts)])


def _part(part: str | Sequence[str] | Table | Picture) -> str:
    match part:
        case str():
            return part
        case Table(head, rows):
            lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
            return "\n".join(f"| {' | '.join(line)} |" for line in lines)
        case Picture(name, shows):
            alt = html.escape(shows, quote=True)
            return (
                f'<picture><source media="(prefers-color-scheme: dark)" '
                f'srcset="figures/{name}-dark.png"><img src="figures/{name}.png" alt="{alt}">'
                "</picture>"
            )
        case _:
            return "\n".join(f"- {line}" for line in part)


def _inlined(match: re.Match[str], folder: Path) -> str:
    data = base64.b64encode((folder / match[2]).read_bytes()).decode()
    return f'{match[1]}="data:image/png;base64,{data}"'

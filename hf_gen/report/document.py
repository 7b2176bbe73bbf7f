"""A report as one Markdown file for the Hub and GitHub, and as one self-contained HTML page."""

import base64
import html
import re
from collections.abc import Iterable, Sequence
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


def write_report(folder: Path, title: str, parts: Iterable[str]) -> None:
    """Writes report.md and report.html into a folder that holds figures/.

    Args:
        folder: Where to.
        title: Of the report.
        parts: Blocks of Markdown, in which names have passed through `as_text`.

    Raises:
        UserError: If the disk cannot be written.
    """
    markdown = "\n\n".join([f"# {title}", *filter(None, parts)]) + "\n"
    atomic_write_text(folder / "report.md", markdown)
    body = MarkdownIt("commonmark", {"html": True}).enable("table").render(markdown)
    body = body.replace("<table>", '<div class="wide"><table>').replace(
        "</table>", "</table></div>"
    )
    body = _PICTURE.sub(lambda match: _inlined(match, folder), body)
    atomic_write_text(folder / "report.html", _PAGE.format(title=html.escape(title), body=body))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Numbers of several runs; the first column names the run."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def bullets(lines: Iterable[str]) -> str:
    """A list, a bullet a line."""
    return "\n".join(f"- {line}" for line in lines)


def picture(name: str, shows: str) -> str:
    """A figure in figures/ in two themes: NAME.png and NAME-dark.png."""
    return (
        f'<picture><source media="(prefers-color-scheme: dark)" srcset="figures/{name}-dark.png">'
        f'<img src="figures/{name}.png" alt="{html.escape(shows, quote=True)}"></picture>'
    )


def as_text(name: str) -> str:
    """The name of a folder or dataset, escaped so that it is neither Markdown nor HTML."""
    return html.escape(re.sub(r"([\\`*_{}\[\]()#+!|~])", r"\\\1", " ".join(name.split())))


def _inlined(match: re.Match[str], folder: Path) -> str:
    data = base64.b64encode((folder / match[2]).read_bytes()).decode()
    return f'{match[1]}="data:image/png;base64,{data}"'

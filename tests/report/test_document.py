"""A report as Markdown, and as one page that needs no other file."""

import base64
import re
from pathlib import Path

from PIL import Image

from hf_gen.report.document import as_text, bullets, picture, table, write_report


def report(folder: Path) -> tuple[str, str]:
    (folder / "figures").mkdir()
    for name, colour in (("curve.png", "white"), ("curve-dark.png", "black")):
        Image.new("RGB", (4, 4), colour).save(folder / "figures" / name)
    nasty = as_text("<script>alert(1)</script> | *a*_b_ `c` [d](http://e) #f")
    numbers = table(("run", "PSNR (dB)"), [(nasty, "18.7"), ("two", "9")])
    parts = ("## First", "A sentence.", numbers, bullets(["one", "other"]))
    write_report(folder, "What & why", [*parts, "", picture("curve", 'the "curve"')])
    return (folder / "report.md").read_text(), (folder / "report.html").read_text()


def test_markdown_points_to_both_themes(tmp_path: Path) -> None:
    markdown, _ = report(tmp_path)
    assert markdown.startswith("# What & why\n\n## First\n\nA sentence.")
    assert "| run | PSNR (dB) |\n| --- | ---: |\n" in markdown
    dark = '<source media="(prefers-color-scheme: dark)" srcset="figures/curve-dark.png">'
    assert dark in markdown
    assert 'src="figures/curve.png" alt="the &quot;curve&quot;"' in markdown


def test_the_html_page_embeds_its_figures(tmp_path: Path) -> None:
    _, page = report(tmp_path)
    sources = re.findall(r'(?:src|srcset|href)="([^"]*)"', page)
    assert len(sources) == 2
    for source, name in zip(sources, ("curve-dark.png", "curve.png"), strict=True):
        prefix, _, data = source.partition(",")
        assert prefix == "data:image/png;base64"
        assert base64.b64decode(data) == (tmp_path / "figures" / name).read_bytes()
    assert "<h1>What &amp; why</h1>" in page
    assert page.count("<tr>") == 3
    assert "<li>other</li>" in page


def test_names_are_escaped(tmp_path: Path) -> None:
    markdown, page = report(tmp_path)
    assert "<script>" not in markdown + page
    shown = "&lt;script&gt;alert(1)&lt;/script&gt; | *a*_b_ `c` [d](http://e) #f"
    assert f"<td>{shown}</td>" in re.sub(r' style="[^"]*"', "", page)
    assert "<em>" not in page

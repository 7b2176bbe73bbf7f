"""The demo: faces through autoencoders and CycleGANs, side by side, in a browser.

`python app.py` shows the models that come with hf_gen and those of the run folders under runs/;
`--models user/name` adds some from the Hub. On a Space, models.txt in the same folder names them.
"""

import os
import signal
import sys
from pathlib import Path

from hf_gen.errors import UserError
from hf_gen.interrupt import WORDS, exit_on_interrupt

if __name__ == "__main__":
    exit_on_interrupt()  # before anything that takes time to import
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
# gradio remembers the last 10,000 requests, and looks at all of them after each.
os.environ.setdefault("GRADIO_ANALYTICS_MAX_EVENTS", "100")

if os.environ.get("SPACES_ZERO_GPU"):
    import spaces  # noqa: F401, which has to come before torch

import tyro

from hf_gen.demo.models import ModelCache, find_models
from hf_gen.demo.page import build_page, serve
from hf_gen.training.memory import return_freed_memory

_LISTED = Path(__file__).with_name("models.txt")


def main(
    models: tuple[str, ...] = (),
    runs: Path = Path("runs"),
    port: int | None = None,
    host: str | None = None,
    share: bool = False,
    mcp: bool = False,
) -> None:
    """Show models in a browser.

    Args:
        models: Hub ids of pipelines of hf_gen, or of any diffusers autoencoder.
        runs: A folder of run folders, whose models are shown too.
        port: Where to serve. Default: the first free one from 7860 on.
        host: Who can reach it: 0.0.0.0 for the network. Default: 127.0.0.1, this machine alone, or
            what a Space sets.
        share: Let anyone in through a public address of gradio.live, for a week.
        mcp: Offer the endpoints as tools of an MCP server too; needs `pip install 'gradio[mcp]'`.
    """
    return_freed_memory()
    listed = _LISTED.read_text(encoding="utf-8").split() if _LISTED.exists() else []
    cache = ModelCache(find_models(runs, [*listed, *models]))
    page = build_page(cache)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # gradio closes what it has opened
    try:
        serve(page, port, mcp, host=host, share=share, once_open=cache.load_all)
    except KeyboardInterrupt:
        print(WORDS, file=sys.stderr)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    sys.exit(130)  # it serves until Ctrl-C


if __name__ == "__main__":
    tyro.cli(main)

"""`hf-gen demo`, which `app.py` runs too: the demo in a browser."""

import os
import signal
import sys
from pathlib import Path

from hf_gen.interrupt import WORDS


def demo(
    models: tuple[str, ...] = (),
    runs: Path = Path("runs"),
    port: int | None = None,
    host: str | None = None,
    share: bool = False,
    mcp: bool = False,
) -> None:
    """Show models in a browser: reconstruct, sample and translate faces, until Ctrl-C.

    Args:
        models: Hub ids of pipelines of hf_gen, or of any diffusers autoencoder.
        runs: A folder of run folders, whose models are shown too.
        port: Where to serve. Default: the first free one from 7860 on.
        host: Who can reach it: 0.0.0.0 for the network. Default: 127.0.0.1, this machine alone, or
            what a Space sets.
        share: Let anyone in through a public address of gradio.live, for a week.
        mcp: Offer the endpoints as tools of an MCP server too; needs `pip install 'gradio[mcp]'`.
    """
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    # gradio remembers the last 10,000 requests, and looks at all of them after each.
    os.environ.setdefault("GRADIO_ANALYTICS_MAX_EVENTS", "100")
    from hf_gen.demo.models import ModelCache, find_models
    from hf_gen.demo.opening import render
    from hf_gen.demo.page import build_page
    from hf_gen.demo.serving import serve
    from hf_gen.training.memory import return_freed_memory

    return_freed_memory()
    cache = ModelCache(find_models(runs, models), runs=runs)
    opening = render(cache)
    page = build_page(cache, opening)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # gradio closes what it has opened
    try:
        serve(page, port, mcp, host=host, share=share, once_open=cache.load_all, opening=opening)
    except KeyboardInterrupt:
        print(WORDS, file=sys.stderr)
    sys.exit(130)  # it serves until Ctrl-C

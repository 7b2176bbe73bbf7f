"""The demo: faces through autoencoders and CycleGANs, side by side, in a browser.

`python app.py` is `hf-gen demo` from a checkout or on a Space, whose models.txt in the same folder
names models of the Hub.
"""

import os
import sys
from functools import partial
from pathlib import Path

from hf_gen.errors import UserError
from hf_gen.interrupt import exit_on_interrupt

if __name__ == "__main__":
    exit_on_interrupt()  # before anything that takes time to import

if os.environ.get("SPACES_ZERO_GPU"):
    import spaces  # noqa: F401, which has to come before torch

import tyro

from hf_gen.demo_command import demo

_LISTED = Path(__file__).with_name("models.txt")

if __name__ == "__main__":
    models = tuple(_LISTED.read_text(encoding="utf-8").split()) if _LISTED.exists() else ()
    try:
        tyro.cli(partial(demo, models=models))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)

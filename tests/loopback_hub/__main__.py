"""Serves the loopback Hub until Ctrl-C, and prints what a shell needs to use it."""

import signal
import tempfile
from pathlib import Path

from . import LoopbackHub

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, LoopbackHub() as hub:
        for name, value in hub.environment(Path(folder)).items():
            print(f"export {name}={value}", flush=True)
        signal.pause()

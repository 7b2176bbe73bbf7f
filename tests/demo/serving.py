"""`app.py` in a process of its own."""

import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.launching import ROOT, free_port

_TIMEOUT = 240.0


@contextmanager
def serving(
    folder: Path,
    *arguments: str,
    environment: dict[str, str],
    python: Path | str = sys.executable,
    app: Path = ROOT / "app.py",
) -> Iterator[tuple[str, int]]:
    """Serves the demo until the end of the block; yields its address and process once it responds.

    Args:
        folder: Working directory, which also gets the log.
        arguments: Of `app.py`.
        environment: All variables of the process but those that say where it serves.
        python: The interpreter.
        app: The script.
    """
    port, log = free_port(), folder / "log.txt"
    address = {"GRADIO_SERVER_NAME": "127.0.0.1", "GRADIO_SERVER_PORT": str(port)}
    with log.open("w") as output:
        server = subprocess.Popen(
            [python, app, *arguments],
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={**environment, **address, "GRADIO_TEMP_DIR": str(folder / "gradio")},
        )
    url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + _TIMEOUT
    try:
        while not _responds(url):
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, f"no response from {url}: {log.read_text()}"
            time.sleep(0.05)
        yield url, server.pid
    except Exception as error:
        error.add_note(log.read_text())
        raise
    finally:
        server.terminate()
        try:
            server.wait(60)
        except subprocess.TimeoutExpired:
            server.kill()


def _responds(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=60) as response:
            return bool(response.status == 200)
    except OSError:
        return False

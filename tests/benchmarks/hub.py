"""`python -m tests.benchmarks.hub`: seconds of each way of loading, from a Hub on this machine.

A conv-vae with random weights lies on the loopback Hub as `hf-gen push` stages it. Each way loads
it in a fresh process with an empty cache: what is measured is the libraries, not a network.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from hf_gen.hub.push import stage
from hf_gen.models.prior import LatentPrior
from hf_gen.models.vae import ConvVAE
from hf_gen.pipelines import VAEPipeline
from tests.loopback_hub import LoopbackHub

ROUNDS = 3
PIPELINE, NETWORK = "tester/conv-vae", "tester/conv-vae-network"
WAYS = {
    "ConvVAE": (
        "from hf_gen import ConvVAE",
        f"ConvVAE.from_pretrained('{PIPELINE}', subfolder='vae')",
    ),
    "hf_gen.load": ("from hf_gen import load", f"load('{PIPELINE}')"),
    "DiffusionPipeline": (
        "from diffusers import DiffusionPipeline",
        f"DiffusionPipeline.from_pretrained('{PIPELINE}', trust_remote_code=True)",
    ),
    "AutoModel": (
        "from diffusers import AutoModel",
        f"AutoModel.from_pretrained('{NETWORK}', trust_remote_code=True)",
    ),
}
PROGRAM = "import time\n{}\nstart = time.perf_counter()\n{}\nprint(time.perf_counter() - start)"


def put(hub: LoopbackHub, name: str, folder: Path) -> None:
    """Makes a repository of a folder, and prints its size."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
    hub.create(name, files=files)
    print(f"{name:<24}{sum(map(len, files.values())) / 1e6:8.2f} MB in {len(files)} files")


def seconds(hub: LoopbackHub, way: str) -> tuple[float, float]:
    """Of a complete process with an empty cache, and of the loading call in it."""
    with tempfile.TemporaryDirectory() as home:
        start = time.perf_counter()
        output = subprocess.run(
            [sys.executable, "-c", PROGRAM.format(*WAYS[way])],
            env={**os.environ, **hub.environment(Path(home), token="")},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        return time.perf_counter() - start, float(output.splitlines()[-1])


def main() -> None:
    vae = ConvVAE().eval()
    pipeline = VAEPipeline(vae, LatentPrior(num_components=10), vae.config.sample_size)
    with LoopbackHub() as hub, tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        stage(pipeline, folder / "pipeline")
        stage(vae, folder / "network")
        put(hub, PIPELINE, folder / "pipeline")
        put(hub, NETWORK, folder / "network")
        measured = [{way: seconds(hub, way) for way in WAYS} for _ in range(ROUNDS)]
    print(f"{'median of ' + str(ROUNDS):<24}{'process':>9}{'call':>9}")
    for way in WAYS:
        process, call = (median(one[way][column] for one in measured) for column in (0, 1))
        print(f"{way:<24}{process:7.2f} s{call:7.2f} s")


if __name__ == "__main__":
    main()

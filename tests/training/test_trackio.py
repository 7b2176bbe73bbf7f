"""`--report-to trackio`: curves and previews of one run, also after a resume, with no network."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

if find_spec("trackio") is None and not os.environ.get("HF_GEN_REQUIRE_ALL"):
    pytest.skip("trackio is not installed", allow_module_level=True)

ROOT = Path(__file__).parents[2]
TRAIN = """
import sys
from pathlib import Path
from accelerate import Accelerator
from tests.training.test_loop import *

output = Output(logging_steps=1, validation_steps=2, checkpointing_steps=4, report_to="trackio")
optimisation = Optimisation(train_batch_size=8, max_train_steps=int(sys.argv[2]))
accelerator, run = Accelerator(log_with="trackio"), run_in(Path(sys.argv[1]))
train(VAETask(CONV_VAE), some_loader(), optimisation, output, run, accelerator)
accelerator.end_training()
"""
# The commands `trackio list runs` and `trackio get metric`.
LIST = """
import io, json, sys
from contextlib import redirect_stdout
from trackio.cli import main
for words in ("list runs", "get metric --run my-run --metric train/kl"):
    sys.argv = ["trackio", *words.split(), "--project", "hf_gen", "--json"]
    with redirect_stdout(io.StringIO()) as output:
        main()
    print(json.dumps(json.loads(output.getvalue())))
"""


def test_curves_and_previews_of_a_resumed_run_are_one_run(tmp_path: Path) -> None:
    environment = {"TRACKIO_DIR": str(tmp_path / "trackio"), "HF_HUB_OFFLINE": "1"}
    environment |= {"PYTHONPATH": str(ROOT), "HTTPS_PROXY": "http://127.0.0.1:9"}

    def run(*command: str) -> str:
        return subprocess.run(
            [sys.executable, *command],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, **environment},
        ).stdout

    for steps in ("4", "8"):
        run("-c", TRAIN, str(tmp_path / "my-run"), steps)
    runs, metric = map(json.loads, run("-c", LIST).splitlines())
    assert runs["runs"] == ["my-run"]
    values = metric["values"]
    assert [value["step"] for value in values] == [1, 2, 3, 4, 5, 6, 7, 8]
    logged = (tmp_path / "my-run" / "metrics.jsonl").read_text().splitlines()
    assert [value["value"] for value in values] == [json.loads(line)["train/kl"] for line in logged]
    previews = [path.parent.name for path in (tmp_path / "trackio" / "media").rglob("*.png")]
    assert sorted(map(int, previews)) == [2, 4, 6, 8]

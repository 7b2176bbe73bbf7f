"""Run folders as trainings leave them: finished, collapsed, still written, damaged."""

import math
import os
import time
from pathlib import Path

from hf_gen.config import recipe_as_json
from hf_gen.demo.run_logs import RunLog, find_runs, read_run
from hf_gen.recipes import RECIPES
from hf_gen.runs.folder import RunFolder

LENGTH = 60


def start_run(path: Path, recipe: str, age: float) -> RunFolder:
    """A run that began so many seconds ago."""
    run = RunFolder(path)
    identity = {"recipe": recipe, "processes": 1, **recipe_as_json(RECIPES[recipe][1])}
    run.start(identity, f"accelerate launch train_accelerate.py {recipe}", "1 x cpu", {})
    os.utime(path / "run.json", (time.time() - age, time.time() - age))
    return run


def log_vae(run: RunFolder, start: int, end: int) -> None:
    for number in range(start, end):
        elbo = 1600 + 300 * math.exp(-number / 15) + (9000 if number == 1 else 0)
        line = {"step": 20 * number, "epoch": number / 10, "learning_rate": 1e-3}
        line |= {"train/negative_elbo": elbo, "train/kl": 40.0, "train/objective": elbo}
        if number % 10 == 0:
            line |= {"validation/negative_elbo": elbo + 20, "validation/kl": 41.0}
        run.log(line)


def log_cyclegan(
    run: RunFolder, collapsed: tuple[int, ...], start: int = 1, end: int = LENGTH + 1
) -> None:
    for number in range(start, end):
        line = {"step": 20.0 * number, "epoch": number / 20}
        for part, value in (("adversarial_a_to_b", 0.4), ("adversarial_b_to_a", 0.6)):
            line[f"train/generators/{part}"] = value
        line |= {"train/generators/cycle_a": 0.2, "train/generators/cycle_b": 0.3}
        if number % 10 == 0:
            for way in ("a_to_b", "b_to_a"):
                bad = way == "a_to_b" and number // 10 in collapsed
                scores = {"diversity": 0.3 if bad else 0.8, "kid": 9.0 if bad else 4.0}
                scores |= {"nearest_translation_share": 0.7 if bad else 0.0, "collapsed": bad}
                line |= {f"validation/{way}/{key}": float(value) for key, value in scores.items()}
            line["validation/kid"] = line["validation/a_to_b/kid"]
        run.log(line)


def several_runs(runs: Path) -> Path:
    """Two finished VAEs, a CycleGAN that collapsed, one VAE training now, one damaged run."""
    for name, age, psnr in (("first", 900, 18.5), ("second", 800, 19.25)):
        finished = start_run(runs / name, "conv-vae", age)
        log_vae(finished, 1, LENGTH + 1)
        finished.save_results({"images": 50, "psnr": psnr, "kl": 40.0, "kl_per_dimension": [1, 2]})
    translation = start_run(runs / "reproduce" / "gan", "cyclegan", 700)
    log_cyclegan(translation, collapsed=(2, 3, 6))
    translation.save_results({"images": 40, "a_to_b/kid": 4.0, "a_to_b/hair_style_chance": 0.1})
    now = start_run(runs / "now", "conv-vae", 10)
    log_vae(now, 1, 31)
    with (runs / "now" / "metrics.jsonl").open("a") as file:
        file.write('{"step": 620, "epoch": 3.1, "train/neg')
    damaged = start_run(runs / "damaged", "conv-vae", 5)
    damaged.log({"epoch": 1.0})
    (runs / "not-json").mkdir()
    (runs / "not-json" / "run.json").write_text("{")
    (runs / "no-run").mkdir()
    return runs


def finish_line(run: Path) -> None:
    with (run / "metrics.jsonl").open("a") as file:
        file.write('ative_elbo": 1600.0}\n')


def read_runs(folder: Path) -> dict[str, RunLog]:
    found = {name: read_run(name, path) for name, path in find_runs(folder).items()}
    return {name: run for name, run in found.items() if run is not None}

"""The numbers between two log lines."""

import json

import torch

from hf_gen.training.tracking import MetricWindow


def test_means_are_weighted_and_reset() -> None:
    window = MetricWindow(torch.device("cpu"))
    window.add({"objective": torch.tensor(1.0), "kl": torch.tensor(4.0)}, step=1, weight=3)
    window.add({"objective": torch.tensor(5.0), "kl": torch.tensor(8.0)}, step=2, weight=1)
    assert window.means("train") == {"train/kl": 5.0, "train/objective": 2.0}
    assert window.means("train") == {}


def test_a_window_resumes_from_its_totals() -> None:
    window, resumed = MetricWindow(torch.device("cpu")), MetricWindow(torch.device("cpu"))
    window.add({"kl": torch.tensor(0.1), "objective": torch.tensor(1 / 3)}, step=1)
    resumed.resume(json.loads(json.dumps(window.totals())))
    for each in (window, resumed):
        each.add({"objective": torch.tensor(0.7), "kl": torch.tensor(1e-9)}, step=2)
    assert list(resumed.means("train").items()) == list(window.means("train").items())


def test_the_first_step_with_a_bad_number_is_remembered() -> None:
    window = MetricWindow(torch.device("cpu"))
    window.add({"objective": torch.tensor(1.0)}, step=1)
    assert window.first_bad_step() is None
    window.add({"objective": torch.tensor(torch.inf)}, step=2)
    window.add({"objective": torch.tensor(torch.nan)}, step=3)
    window.add({"objective": torch.tensor(1.0)}, step=4)
    window.means("train")
    assert window.first_bad_step() == 2

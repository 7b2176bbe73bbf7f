"""The optional extra, where it is missing: with it the weights would have to be downloaded."""

import importlib.util

import pytest
import torch

from hf_gen.errors import UserError
from hf_gen.evaluation.inception import inception_frechet_distance


@pytest.mark.skipif(
    importlib.util.find_spec("torch_fidelity") is not None, reason="torch-fidelity is installed"
)
def test_without_torch_fidelity_a_sentence_names_it_and_the_remedy() -> None:
    images = torch.zeros(2, 3, 8, 8)
    with pytest.raises(UserError, match=r"torch-fidelity is not installed.*hf_gen\[inception\]"):
        inception_frechet_distance(images, images)

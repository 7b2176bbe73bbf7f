"""What is saved beside a network loads without hf_gen: one file that needs no other."""

import ast
import importlib.util
import logging
import sys
from pathlib import Path

import pytest
import torch

from hf_gen.models.cyclegan import PatchDiscriminator, ResnetGenerator
from hf_gen.models.pretrained import StrictModel
from hf_gen.models.prior import LatentPrior
from hf_gen.models.vae import ConvVAE, DenseVAE, PatchVAE


class MyVAE(ConvVAE):
    """A subclass in a file of somebody else, which is saved with the source of its parent."""


NETWORKS = [
    *(ConvVAE(), DenseVAE(8, (4,), 2), PatchVAE(8, 4, (4,), (0,), 4, 2), MyVAE()),
    *(ResnetGenerator(16, 4, 1, 1), PatchDiscriminator(4), LatentPrior((2, 1, 1), 3)),
]


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: type(network).__name__)
def test_the_saved_source_needs_no_other_file_and_saves_itself(
    network: StrictModel, tmp_path: Path
) -> None:
    network.save_pretrained(tmp_path / "first")
    (source,) = (tmp_path / "first").glob("*.py")
    assert source.stem == network.source_name
    nodes = list(ast.walk(ast.parse(source.read_text())))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
    packages = {name.partition(".")[0] for name in names} - set(sys.stdlib_module_names)
    assert packages == {"torch", "diffusers", "safetensors"}

    spec = importlib.util.spec_from_file_location(f"saved_{type(network).__name__}", source)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert hasattr(module, "ModelMixin")  # by which diffusers knows a component
    if isinstance(network, MyVAE):
        return
    again = getattr(module, type(network).__name__).from_pretrained(tmp_path / "first")
    again.save_pretrained(tmp_path / "second")
    assert (tmp_path / "second" / source.name).read_text() == source.read_text()
    for key, value in network.state_dict().items():
        assert torch.equal(again.state_dict()[key], value)


def test_another_dtype_is_no_reason_to_warn(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("diffusers")
    logger.addHandler(caplog.handler)
    try:
        assert ConvVAE().to(torch.float16).dtype == torch.float16
    finally:
        logger.removeHandler(caplog.handler)
    assert caplog.messages == []

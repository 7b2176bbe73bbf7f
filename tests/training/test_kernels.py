"""The fast convolutions compute what PyTorch's do, gradients too, and leave nothing behind."""

import copy
import pickle

import pytest
import torch
from torch import Tensor, nn

from hf_gen.models.cyclegan import ResnetGenerator
from hf_gen.models.vae import ConvVAE
from hf_gen.pipelines.kernels import FastConv2d, FastConvTranspose2d, use_fast_layers
from hf_gen.training.kernels import (
    TrainedConv2d,
    TrainedConvTranspose2d,
    convolve_with_gradients,
    enlarge_with_gradients,
    fast_training,
)

TRANSPOSED = [
    nn.ConvTranspose2d(6, outgoing, size, stride, size // 2, stride - 1)
    for size, stride, outgoing in zip(
        (5, 3, 1, 3, 7, 3), (2, 2, 2, 4, 3, 1), (3, 8, 3, 8, 3, 8), strict=True
    )
]
OF_IMAGES = [
    nn.Conv2d(incoming, outgoing, 7, padding=3, padding_mode="reflect", bias=bias)
    for incoming, outgoing, bias in ((3, 5, False), (6, 3, True))
]
PLAIN = [
    nn.ConvTranspose2d(6, 3, 3, 2, 1, 1, bias=False),
    nn.ConvTranspose2d(6, 3, 4, 2, 1, 1),
    nn.ConvTranspose2d(6, 3, 3, 2, 1, 0),
    nn.Conv2d(6, 3, 7, padding=3),
    nn.Conv2d(6, 4, 7, padding=3, padding_mode="reflect"),
    nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"),
]


@pytest.mark.parametrize("width", [8, 9])
@pytest.mark.parametrize("layer", [*TRANSPOSED, *OF_IMAGES], ids=str)
def test_results_and_gradients_are_those_of_pytorch(layer: nn.Module, width: int) -> None:
    torch.manual_seed(0)
    plain, layer = copy.deepcopy(layer).double(), copy.deepcopy(layer).double()
    features = torch.randn(4, layer.in_channels, 8, width, dtype=torch.float64, requires_grad=True)
    with fast_training([layer]):
        assert type(layer) in (TrainedConv2d, TrainedConvTranspose2d)
        made, expected = layer(features), plain(features)
        torch.testing.assert_close(made, expected)
        gradient = torch.randn_like(expected)
        found = torch.autograd.grad(made, (features, *layer.parameters()), gradient)
        wanted = torch.autograd.grad(expected, (features, *plain.parameters()), gradient)
        for one, other in zip(found, wanted, strict=True):
            torch.testing.assert_close(one, other)
        with torch.no_grad():
            torch.testing.assert_close(layer(features), expected)
        leaves = (features, layer.weight, layer.bias)
        if isinstance(layer, nn.ConvTranspose2d):
            torch.library.opcheck(enlarge_with_gradients, (*leaves, layer.stride[0]))
        elif width % 2 == 0:
            torch.library.opcheck(convolve_with_gradients, leaves)
    assert type(layer) is type(plain)


@pytest.mark.parametrize("layer", PLAIN, ids=str)
def test_other_layers_stay_as_they_are(layer: nn.Module) -> None:
    assert use_fast_layers([layer]) == []


@pytest.mark.parametrize(
    ("network", "inputs"),
    [(ConvVAE().decoder, torch.randn(2, 50, 1, 1)), (ResnetGenerator(16, 4, 1, 1), None)],
    ids=["decoder", "generator"],
)
def test_what_transforms_or_exports_a_network_sees_the_layers_of_pytorch(
    network: nn.Module, inputs: Tensor | None
) -> None:
    network, inputs = network.eval(), torch.rand(2, 3, 16, 16) if inputs is None else inputs
    state = {key: value.clone() for key, value in network.state_dict().items()}
    with fast_training([network]):
        ema = copy.deepcopy(network)
        assert ema.state_dict().keys() == state.keys()
    fast = [layer for layer, _ in use_fast_layers([network])]
    assert {type(layer) for layer in fast} <= {FastConv2d, FastConvTranspose2d}
    assert fast
    assert "hf_gen" not in str(torch.export.export(network, (inputs,)).graph)

    def total(some: Tensor) -> Tensor:
        made = network(some)
        return (made if isinstance(made, Tensor) else made.sample).sum()

    assert torch.func.grad(total)(inputs).shape == inputs.shape
    again = pickle.loads(pickle.dumps(network))
    for key, value in again.state_dict().items():
        assert torch.equal(value, state[key])

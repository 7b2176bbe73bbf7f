"""What a bundled model responds: hf_gen's pipelines against its networks called directly.

Plainly is: tensors and weights as they are, with gradients on, as after `from_pretrained`.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from hf_gen.models.vae import ConvVAE
from hf_gen.pipelines import VAEPipeline, load
from hf_gen.training.memory import keep_freed_memory
from tests.benchmarks.contest import Gate
from tests.benchmarks.loop import as_most_write_it

MODELS = {"reconstruct": "conv-vae", "translate": "cyclegan"}


def _respond_for_ever(
    steps: int, batch: str, size: int, respond: Callable[[Tensor], Tensor]
) -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(int(batch), 3, size, size, generator=generator) * 2 - 1
    gate = Gate(len(images), steps)
    made = respond(images).detach()
    # Tanh's ends would hide a difference in the mean of some: hence that of the squares too.
    gate.tell(losses=[made.square().mean().item(), made.abs().mean().item()])
    while True:
        respond(images)
        gate.step()


def ours(steps: int, task: str, batch: str) -> None:
    """The method that people call."""
    pipeline = load(MODELS[task])
    pipeline.set_progress_bar_config(disable=True)
    method = getattr(pipeline, task)
    size = pipeline.config.resolution
    _respond_for_ever(steps, batch, size, lambda images: method(images, output_type="pt"))


def at_64(steps: int, model: str, batch: str) -> None:
    """`face-vae`, or the reports' network at the size of its images.

    Freed memory stays with the process, as in a training: otherwise the layout of the heap decides
    for the life of the process whether every buffer is requested from the system again.
    """
    keep_freed_memory()
    made = load("face-vae") if model == "face-vae" else VAEPipeline(ConvVAE(64), resolution=64)
    _respond_for_ever(steps, batch, 64, lambda images: made.reconstruct(images, output_type="pt"))


def plain(steps: int, task: str, batch: str) -> None:
    """The networks, in PyTorch's layers, default layout and mode."""
    as_most_write_it()
    pipeline = load(MODELS[task])
    place = {"reconstruct": "vae", "translate": "a_to_b"}[task]
    network = getattr(pipeline, place).to(memory_format=torch.contiguous_format)

    def respond(images: Tensor) -> Tensor:
        if task == "translate":
            return network(images).sample
        return network.decode(network.encode(images).latent_dist.mode()).sample

    _respond_for_ever(steps, batch, pipeline.config.resolution, respond)

"""What a shipped model answers: hf_gen's pipelines beside its networks called plainly.

Plainly is: tensors and weights as they come, with gradients on, as after `from_pretrained`.
"""

import torch
from torch import Tensor

from hf_gen.models.vae import ConvVAE
from hf_gen.pipelines import VAEPipeline, load
from hf_gen.training.memory import keep_freed_memory
from tests.benchmarks.contest import Gate
from tests.benchmarks.plainly import as_most_write_it

MODELS = {"reconstruct": "conv-vae", "translate": "cyclegan"}


def _images(batch: int, size: int) -> Tensor:
    return torch.rand(batch, 3, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1


def _tell(gate: Gate, images: Tensor) -> None:
    # Tanh's ends would hide a difference in the mean of some: hence that of the squares too.
    gate.tell(losses=[images.square().mean().item(), images.abs().mean().item()])


def ours(steps: int, task: str, batch: str) -> None:
    """The method that people call."""
    pipeline = load(MODELS[task])
    pipeline.set_progress_bar_config(disable=True)
    answer = getattr(pipeline, task)
    images = _images(int(batch), pipeline.config.resolution)
    gate = Gate(len(images), steps)
    _tell(gate, answer(images, output_type="pt"))
    while True:
        answer(images, output_type="pt")
        gate.step()


def at_64(steps: int, model: str, batch: str) -> None:
    """`face-vae`, or the reports' network at the size of its images.

    Freed memory stays with the process, as in a training: otherwise the heap's layout decides, by
    luck and for as long as the process lives, whether every buffer comes new from the system.
    """
    keep_freed_memory()
    made = load("face-vae") if model == "face-vae" else VAEPipeline(ConvVAE(64), resolution=64)
    images = _images(int(batch), 64)
    gate = Gate(len(images), steps)
    _tell(gate, made.reconstruct(images, output_type="pt"))
    while True:
        made.reconstruct(images, output_type="pt")
        gate.step()


def plain(steps: int, task: str, batch: str) -> None:
    """The networks, in PyTorch's layers, default layout and mode."""
    as_most_write_it()
    pipeline = load(MODELS[task])
    place = {"reconstruct": "vae", "translate": "a_to_b"}[task]
    network = getattr(pipeline, place).to(memory_format=torch.contiguous_format)
    images = _images(int(batch), pipeline.config.resolution)

    def answer() -> Tensor:
        if task == "translate":
            return network(images).sample
        posterior = network.encode(images).latent_dist
        return network.decode(posterior.mode()).sample

    gate = Gate(len(images), steps)
    _tell(gate, answer().detach())
    while True:
        answer()
        gate.step()

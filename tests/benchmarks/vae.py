"""The report's conv VAE, trained by hf_gen and by what people use today.

All have the same network, loss and optimiser, start with the same weights, and see the same 4,000
synthetic faces in batches of 128. Losses of the first batch are compared before they start, with a
posterior so narrow that the noise, which each draws in its own way, plays no part.
"""

from dataclasses import replace
from typing import Any

import torch
from accelerate import Accelerator
from datasets import Dataset, Image
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader

from hf_gen.config import Data
from hf_gen.data.batches import Domain
from hf_gen.data.sources import load_domain
from hf_gen.faces import face_at, face_png
from hf_gen.images import square, to_tensor
from hf_gen.models.vae import ConvVAE
from hf_gen.recipes import CONV_VAE
from hf_gen.tasks.vae import VAETask
from hf_gen.training.memory import keep_freed_memory
from tests.benchmarks.contest import Gate
from tests.benchmarks.loop import as_most_write_it, as_the_loop_does, train_for_ever

BATCH, COUNT = 128, 4000
RECIPE = replace(CONV_VAE, data=Data(max_train_samples=COUNT))
LEARNING_RATE = RECIPE.optimisation.learning_rate


def task() -> VAETask:
    """The same weights for all."""
    torch.manual_seed(0)
    return VAETask(RECIPE)


def narrowed(vae: ConvVAE) -> ConvVAE:
    """With a log variance of -30 for every image."""
    last = next(layer for layer in reversed(list(vae.encoder.modules())) if hasattr(layer, "bias"))
    with torch.no_grad():
        half = len(last.bias) // 2
        last.weight[half:] = 0.0
        last.bias[half:] = -30.0
    return vae


def first_images(domain: Domain) -> Tensor:
    """(128, 3, 32, 32), in [-1, 1], channels last."""
    return domain.train.images(torch.arange(BATCH))


def tell_losses(gate: Gate, domain: Domain, precision: str) -> None:
    narrow, images = task(), first_images(domain)
    net = narrow.networks["vae"]
    narrowed(net.vae)
    bf16 = torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16")
    with torch.no_grad(), bf16:
        losses = net(images, torch.zeros(BATCH, *narrow.latent_shape))
    gate.tell(losses=[losses["objective"].item()])


def ours(steps: int, precision: str = "no", torch_compile: str = "on") -> None:
    """All of it: batches, noise, loop, average and log."""
    train_gated(Gate(BATCH, steps), BATCH, precision, torch_compile)


def train_gated(gate: Gate, batch: int, precision: str, torch_compile: str) -> None:
    """The same with any gate, and `batch` images a step of this process."""
    keep_freed_memory()
    domain = load_domain(RECIPE.data)
    tell_losses(gate, domain, precision)
    train_for_ever(gate, task(), (domain,), batch, precision, torch_compile)


def in_memory(steps: int, precision: str = "no") -> None:
    """The bare step by hand on one batch in memory: what the loop could reach at the most."""
    keep_freed_memory()
    gate, domain = Gate(BATCH, steps), load_domain(RECIPE.data)
    tell_losses(gate, domain, precision)
    started = task()
    net = started.networks["vae"].to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    as_the_loop_does([net])
    adam = torch.optim.AdamW(net.parameters(), lr=LEARNING_RATE, weight_decay=0.0, fused=True)
    images, noise = first_images(domain), torch.randn(BATCH, *started.latent_shape)
    while True:
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            objective = net(images, noise)["objective"]
        objective.backward()
        adam.step()
        adam.zero_grad()
        gate.step()


def naive(steps: int) -> None:
    """The loop that most write: `datasets` decodes with PIL, a DataLoader, Accelerate."""
    as_most_write_it()
    gate = Gate(BATCH, steps)
    pngs = [{"bytes": face_png(face_at(index), "anime"), "path": None} for index in range(COUNT)]
    dataset = Dataset.from_dict({"image": pngs}).cast_column("image", Image())

    def transform(rows: dict[str, Any]) -> dict[str, Any]:
        return {"images": [to_tensor([square(one.convert("RGB"), 32)])[0] for one in rows["image"]]}

    vae = task().networks["vae"].vae
    tell_losses(gate, load_domain(RECIPE.data), "no")
    accelerator = Accelerator()
    adam = torch.optim.Adam(vae.parameters(), lr=LEARNING_RATE)
    batches = DataLoader(
        dataset.with_transform(transform), batch_size=BATCH, shuffle=True, drop_last=True
    )
    vae, adam, batches = accelerator.prepare(vae, adam, batches)
    while True:
        for batch in batches:
            images = batch["images"].contiguous()
            posterior = vae.encode(images).latent_dist
            logits = vae.decode(posterior.sample()).logits
            reconstruction = functional.binary_cross_entropy_with_logits(
                logits, (images + 1) / 2, reduction="sum"
            )
            loss = (reconstruction + posterior.kl().sum()) / len(images)
            accelerator.backward(loss)
            adam.step()
            adam.zero_grad()
            gate.step()

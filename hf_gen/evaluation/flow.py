"""Trains the flow of a learned prior on the codes of a trained autoencoder, in minutes on a CPU."""

import copy
import math

import torch
from torch import Tensor, nn

from hf_gen.models.flow import NUM_LAYERS, WIDTH, Flow

_BATCH_SIZE = 256
_LEARNING_RATE = 1e-3
_WARMUP_STEPS = 100
_MAX_GRAD_NORM = 1.0
_EMA_DECAY = 0.999


def fit_flow(
    codes: Tensor,
    steps: int,
    seed: int = 0,
    device: torch.device | None = None,
    num_layers: int = NUM_LAYERS,
    width: int = WIDTH,
) -> Flow:
    """Fits a flow by flow matching: Adam, a cosine schedule, batches of 256 codes.

    Args:
        codes: Standardised, (images, latents).
        steps: Of the optimiser; 4,000 take 4 minutes on one core for 192 latents.
        seed: Of the initial weights, the batches, the noise and the times.
        device: Where it is trained. Default: the CPU.
        num_layers: Of the flow.
        width: Of its layers.

    Returns:
        The exponential moving average of its weights, in float32, on the CPU.
    """
    device = device or torch.device("cpu")
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(seed)
        flow = Flow(codes.shape[1], num_layers, width).to(device)
        average = copy.deepcopy(flow)
        optimizer = torch.optim.Adam(flow.parameters(), lr=_LEARNING_RATE, betas=(0.9, 0.99))
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer,
            lambda step: (
                min(1.0, (step + 1) / _WARMUP_STEPS) * math.cos(math.pi / 2 * step / steps) ** 2
            ),
        )
        for step in range(steps):
            batch = codes[torch.randint(len(codes), (_BATCH_SIZE,))].float()
            noise, times = torch.randn(batch.shape), torch.rand(len(batch))
            optimizer.zero_grad()
            flow.loss(batch.to(device), noise.to(device), times.to(device)).backward()
            nn.utils.clip_grad_norm_(flow.parameters(), _MAX_GRAD_NORM)
            optimizer.step()
            schedule.step()
            # A shorter memory at first, of a tenth of the steps so far: the start is forgotten.
            decay = min(_EMA_DECAY, (step + 1) / (step + 10))
            for kept, weight in zip(average.parameters(), flow.parameters(), strict=True):
                kept.data.lerp_(weight.data, 1 - decay)
    return average.cpu()

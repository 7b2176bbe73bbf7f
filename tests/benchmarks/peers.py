"""The same conv VAE in pythae, with the images in memory as it likes them.

`pip install -e ".[benchmarks]"` brings it; without it, it is left out of the table.
"""

import tempfile
from typing import Any

import torch
from torch import nn

from hf_gen.data.sources import load_domain
from tests.benchmarks.contest import Gate
from tests.benchmarks.loop import FOR_EVER, as_most_write_it
from tests.benchmarks.vae import BATCH, LEARNING_RATE, RECIPE, narrowed, task


def unit_images(count: int | None = None) -> torch.Tensor:
    """Images in [0, 1], (count, 3, 32, 32)."""
    train = load_domain(RECIPE.data).train
    images = train.images(torch.arange(count or len(train) // BATCH * BATCH))
    return ((images + 1) / 2).contiguous()


def pythae(steps: int) -> None:
    """Its `VAE` with the report's layers, trained by its `BaseTrainer`."""
    from pythae.data.datasets import BaseDataset
    from pythae.models import VAE, VAEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder
    from pythae.trainers import BaseTrainer, BaseTrainerConfig
    from pythae.trainers.training_callbacks import TrainingCallback

    as_most_write_it()
    gate = Gate(BATCH, steps)

    class Encoder(BaseEncoder):  # type: ignore[misc]
        def __init__(self, layers: nn.Module) -> None:
            super().__init__()
            self.layers = layers

        def forward(self, x: torch.Tensor) -> Any:
            mean, logvar = self.layers(2 * x - 1).flatten(1).chunk(2, dim=1)
            return ModelOutput(embedding=mean, log_covariance=logvar)

    class Decoder(BaseDecoder):  # type: ignore[misc]
        def __init__(self, layers: nn.Module) -> None:
            super().__init__()
            self.layers = layers

        def forward(self, z: torch.Tensor) -> Any:
            return ModelOutput(reconstruction=self.layers(z[:, :, None, None]).sigmoid())

    class Pass(TrainingCallback):  # type: ignore[misc]
        def on_train_step_end(self, *_: Any, **__: Any) -> None:
            gate.step()

    def model(vae: Any) -> Any:
        config = VAEConfig(input_dim=(3, 32, 32), latent_dim=50, reconstruction_loss="bce")
        return VAE(config, encoder=Encoder(vae.encoder), decoder=Decoder(vae.decoder))

    narrow = model(narrowed(task().networks["vae"].vae))
    with torch.no_grad():
        gate.tell(losses=[narrow({"data": unit_images(BATCH)}).loss.item()])
    with tempfile.TemporaryDirectory() as folder:
        config = BaseTrainerConfig(
            output_dir=folder,
            per_device_train_batch_size=BATCH,
            num_epochs=FOR_EVER,
            learning_rate=LEARNING_RATE,
            no_cuda=True,
        )
        vae = model(task().networks["vae"].vae)
        images = unit_images()
        dataset = BaseDataset(images, torch.zeros(len(images)))
        BaseTrainer(vae, dataset, training_config=config, callbacks=[Pass()]).train()

"""The same conv VAE in pythae and in Keras, both with the images in memory as they like them.

`pip install -e ".[benchmarks]"` brings both; whichever is missing is left out of the table.
"""

import tempfile
from typing import Any

import numpy as np
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


def keras(steps: int) -> None:
    """Its layers and `fit`, in a graph of TensorFlow; "same" padding is ours mirrored."""
    import tensorflow
    from keras import Model, layers, ops, optimizers, random

    threads = torch.get_num_threads()
    tensorflow.config.threading.set_intra_op_parallelism_threads(threads)
    tensorflow.config.threading.set_inter_op_parallelism_threads(threads)
    gate = Gate(BATCH, steps)

    class ConvVAE(Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.down = [
                layers.Conv2D(64, 5, 2, "same", activation="relu"),
                layers.Conv2D(32, 3, 2, "same", activation="relu"),
            ]
            self.code, self.wide = layers.Dense(100), layers.Dense(2048)
            self.up = [
                layers.Conv2DTranspose(64, 3, 2, "same", activation="relu"),
                layers.Conv2DTranspose(3, 5, 2, "same"),
            ]

        def call(self, images: Any) -> Any:
            features = 2 * images - 1
            for layer in self.down:
                features = layer(features)
            codes = self.code(ops.reshape(features, (-1, 2048)))
            mean, logvar = codes[:, :50], codes[:, 50:]
            noise = random.normal(ops.shape(mean))
            features = ops.relu(self.wide(mean + ops.exp(logvar / 2) * noise))
            features = ops.reshape(features, (-1, 8, 8, 32))
            for layer in self.up:
                features = layer(features)
            cross_entropy = (
                ops.maximum(features, 0) - features * images + ops.softplus(-ops.abs(features))
            )
            kl = 0.5 * (mean**2 + ops.exp(logvar) - 1 - logvar)
            self.add_loss(
                ops.mean(ops.sum(cross_entropy, (1, 2, 3))) + ops.mean(ops.sum(kl, axis=1))
            )
            return features

    def built(vae: Any) -> Any:
        model = ConvVAE()
        model(np.zeros((1, 32, 32, 3), np.float32))
        _copy_weights(vae, model)
        return model

    def mirrored(images: torch.Tensor) -> np.ndarray:
        return np.ascontiguousarray(images.flip(2, 3).permute(0, 2, 3, 1).numpy())

    narrow = built(narrowed(task().networks["vae"].vae))
    narrow(mirrored(unit_images(BATCH)))
    gate.tell(losses=[float(sum(narrow.losses))])

    model = built(task().networks["vae"].vae)
    model.compile(optimizers.Adam(LEARNING_RATE), jit_compile=False)

    from keras.callbacks import LambdaCallback

    passing = LambdaCallback(on_train_batch_end=lambda batch, logs: gate.step())
    model.fit(
        mirrored(unit_images()), batch_size=BATCH, epochs=FOR_EVER, verbose=0, callbacks=[passing]
    )


def _copy_weights(vae: Any, model: Any) -> None:
    """Ours into Keras' layouts: kernels mirrored, features with their channels last."""
    convolutions = [layer for layer in vae.modules() if isinstance(layer, nn.Conv2d)]
    transposed = [layer for layer in vae.modules() if isinstance(layer, nn.ConvTranspose2d)]
    code, wide = (layer for layer in vae.modules() if isinstance(layer, nn.Linear))
    for layer, into in zip((*convolutions, *transposed), (*model.down, *model.up), strict=True):
        kernel = layer.weight.detach().flip(2, 3)
        order = (2, 3, 1, 0)  # both libraries name the channels that a transposed one makes first
        into.set_weights([kernel.permute(*order).numpy(), layer.bias.detach().numpy()])

    def channels_last(features: torch.Tensor) -> torch.Tensor:
        """Of (…, 2048) features, channels first to last, and mirrored."""
        maps = features.unflatten(-1, (32, 8, 8)).flip(-1, -2)
        return maps.movedim(-3, -1).flatten(-3)

    weight, bias = channels_last(code.weight.detach()), code.bias.detach()
    model.code.set_weights([weight.T.numpy(), bias.numpy()])
    weight, bias = channels_last(wide.weight.detach().T), channels_last(wide.bias.detach())
    model.wide.set_weights([weight.numpy(), bias.numpy()])

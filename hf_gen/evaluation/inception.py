"""The Frechet distance of the literature, in the features of Inception-v3: an optional extra.

It needs torch-fidelity, and once the 91 MB of weights that torch-fidelity downloads.
"""

import torch
from torch import Tensor
from torchmetrics.image.fid import FrechetInceptionDistance

from hf_gen.errors import UserError
from hf_gen.images import to_pixels

_AT_ONCE = 32
_FEATURES = 2048


def inception_frechet_distance(real: Tensor, made: Tensor) -> float:
    """FID as published: in the last pooled features of Inception-v3, on images enlarged to 299.

    Fewer images make it larger: compare it at equal numbers of images only, and with published
    numbers, which are of 10,000 images or more, not at all where there are less.

    Args:
        real: In [-1, 1], (images, 3, height, width), at least 2 images.
        made: Likewise.

    Raises:
        UserError: torch-fidelity is not installed, or its weights cannot be reached.

    Source: Heusel, Ramsauer, Unterthiner, Nessler and Hochreiter, GANs trained by a two time-scale
        update rule converge to a local Nash equilibrium, 2017.
    """
    metric = _metric()
    for images, is_real in ((real, True), (made, False)):
        for chunk in images.split(_AT_ONCE):
            metric.update(torch.from_numpy(to_pixels(chunk)).permute(0, 3, 1, 2), real=is_real)
    return metric.compute().item()


def _metric() -> FrechetInceptionDistance:
    try:
        return FrechetInceptionDistance(feature=_FEATURES, sync_on_compute=False)
    except ModuleNotFoundError as error:
        raise UserError(
            "torch-fidelity is not installed, and the Inception features need it: "
            "pip install 'hf_gen[inception]'"
        ) from error
    except OSError as error:
        raise UserError(
            f"the weights of Inception-v3 cannot be downloaded ({error}): torch-fidelity fetches "
            "them from github.com once and keeps them in the cache of torch.hub"
        ) from error

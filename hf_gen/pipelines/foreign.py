"""`load_any`: as `load`, and also autoencoders of diffusers, alone or in foreign pipelines."""

from pathlib import Path

from diffusers import DiffusionPipeline, ModelMixin

from hf_gen.errors import UserError
from hf_gen.models.vae import VectorVAE
from hf_gen.pipelines.blueprint import check_image
from hf_gen.pipelines.download import (
    MOST_BYTES,
    check_safetensors,
    download_configs,
    download_network,
)
from hf_gen.pipelines.loading import is_own_index, load, local_folder
from hf_gen.pipelines.networks import load_network, read_config
from hf_gen.pipelines.vae import VAEPipeline

_PLACES = ("vae", "")  # in a pipeline, or at the root of a repository of its own
_RESOLUTION = 256
_SIZES = range(8, 513)


def load_any(
    name: str | Path,
    most_bytes: int = MOST_BYTES,
    token: str | bool | None = None,
    local_files_only: bool = False,
) -> DiffusionPipeline:
    """Loads a pipeline of hf_gen, or an autoencoder as a `VAEPipeline`. No code of it is executed.

    An autoencoder is an `AutoencoderKL`, an `AutoencoderTiny` or one of hf_gen's, at the root of a
    repository or in the folder `vae` of one, such as that of a StableDiffusionPipeline. Only JSON
    and safetensors are downloaded, and only if they are small enough.

    Args:
        name: A folder, a run folder, or a Hub id such as user/name.
        most_bytes: What may be downloaded, in bytes; a folder may be larger.
        token: Of the Hub. Default: that of the environment or the login.
        local_files_only: Do not ask the Hub; use what was downloaded before.

    Raises:
        UserError: If there is no such model, it is of a class that hf_gen does not know, too large,
            damaged or has no safetensors, or the Hub does not give it.
    """
    folder = local_folder(name)
    if folder is not None:
        return _load(folder, None, most_bytes, token, local_files_only)
    folder = download_configs(str(name), _PLACES, local_files_only, token)
    try:
        return _load(folder, str(name), most_bytes, token, local_files_only)
    except UserError as error:  # whoever gave an id does not know the folder of the cache
        raise UserError(str(error).replace(str(folder), str(name))) from error


def _load(
    folder: Path,
    repo_id: str | None,
    most_bytes: int,
    token: str | bool | None,
    local_files_only: bool,
) -> DiffusionPipeline:
    index = folder / "model_index.json"
    if index.is_file() and is_own_index(index):
        return load(
            repo_id or folder,
            token=token,
            local_files_only=local_files_only,
            most_bytes=most_bytes,
        )
    place = next((place for place in _PLACES if (folder / place / "config.json").is_file()), None)
    if place is None:
        raise UserError(
            f"{folder} holds no model that hf_gen loads: there is no config.json in it or in its "
            "folder vae; name a pipeline of hf_gen, or an autoencoder of diffusers"
        )
    read_config(str(folder), place or None)  # before the download: is it a class that we know?
    if repo_id is not None:
        folder = download_network(repo_id, place, local_files_only, token, most_bytes)
    shown = f"{folder}/{place}".rstrip("/")
    check_safetensors(shown, "", [file.name for file in (folder / place).iterdir()])
    network = load_network(str(folder), place or None)
    resolution = _resolution(network)
    check_image(network, resolution, shown)
    return VAEPipeline(network, resolution=resolution)


def _resolution(network: ModelMixin) -> int:
    """That of the images that a network was trained on, as far as its config says."""
    config = network.config
    if isinstance(network, VectorVAE):
        return config.sample_size
    size = config.get("sample_size")
    if type(size) is not int or size not in _SIZES:
        size = _RESOLUTION
    widths = config.get("block_out_channels") or config.get("encoder_block_out_channels")
    factor = 2 ** (len(widths) - 1)
    return size // factor * factor or size

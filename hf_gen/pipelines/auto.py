"""`load`: the pipeline of a folder or a Hub id, as the class that it names."""

from pathlib import Path

from diffusers import DiffusionPipeline

from hf_gen.pipelines.download import MAX_BYTES
from hf_gen.pipelines.loading import DType, load_pipeline
from hf_gen.pipelines.translation import TranslationPipeline
from hf_gen.pipelines.vae import VAEPipeline


def load(
    name: str | Path,
    revision: str | None = None,
    variant: str | None = None,
    dtype: DType = None,
    local_files_only: bool = False,
    token: str | bool | None = None,
    torch_dtype: DType = None,
    max_bytes: int = MAX_BYTES,
) -> DiffusionPipeline:
    """Loads a pipeline of hf_gen, or an autoencoder as a `VAEPipeline`.

    An autoencoder is an `AutoencoderKL`, an `AutoencoderTiny` or one of hf_gen's, at the root of a
    folder or in its folder `vae`, such as that of a StableDiffusionPipeline. Only JSON and
    safetensors are downloaded and read: no code that is beside them is executed.

    Args:
        name: A pipeline folder, a run folder that has one, a bundled model such as "conv-vae", or a
            Hub id such as user/name.
        revision: A branch, tag or commit on the Hub. Default: the main branch.
        variant: Which weights, such as "fp16". Default: those without a name.
        dtype: What the weights become, for all networks or by their names, with "default" for the
            others. Default: float32.
        local_files_only: Use the cache of the Hub only.
        token: Of the Hub. Default: that of the environment or the login.
        torch_dtype: The older name of `dtype` in diffusers.
        max_bytes: The limit for a download.

    Raises:
        UserError: If there is no such model, it is of a class that hf_gen does not know, its
            weights are missing, damaged or of another network, it is too large, or the Hub cannot
            be reached.
    """
    return load_pipeline(
        {"VAEPipeline": VAEPipeline, "TranslationPipeline": TranslationPipeline},
        name,
        revision,
        variant,
        dtype,
        local_files_only,
        token,
        torch_dtype,
        max_bytes,
    )

"""Translate images between two domains with the two generators of a CycleGAN.

Source: Zhu et al., Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks,
2017, https://arxiv.org/abs/1703.10593.

This file imports torch and diffusers only: it is also the remote code of a repository on the Hub.
"""

import math
from typing import Literal

import torch
from diffusers import ImagePipelineOutput, ModelMixin
from torch import Tensor

from hf_gen.pipelines.base import (
    ImagePipeline,
    Images,
    OutputType,
    Pictures,
    postprocess,
    preprocess,
)

Direction = Literal["a_to_b", "b_to_a"]
_LARGEST = 8
_BATCH_SIZE = 64
_CPU_BATCH_SIZE = 16  # few enough images that their widest maps stay in its caches


class TranslationPipeline(ImagePipeline):
    """Translation of images between two domains, by a generator for each direction.

    Images are given and returned as `ImagePipeline` says, but without its crop: the shorter side of
    a picture is resized to `resolution`, the other with it, and both are rounded to what the
    generators need, multiples of 8; tensors are taken as they are. A generator knows what it was
    trained on: squares of `resolution` pixels, filled by a face as in its training images.

    Args:
        a_to_b: The generator of images of domain b: images to an output with a `sample`.
        b_to_a: The generator of images of domain a.
        resolution: Height and width of their images in pixels.
        domain_a: What the images of domain a are, such as "anime".
        domain_b: What the images of domain b are, such as "cartoon".

    Raises:
        ValueError: If a generator is for another resolution, or a domain has no name.
    """

    source_name = "pipeline_hf_gen_translation"
    # diffusers takes every argument without a default for a component, hence those below.
    model_cpu_offload_seq = "a_to_b->b_to_a"

    def __init__(
        self,
        a_to_b: ModelMixin,
        b_to_a: ModelMixin,
        resolution: int = 64,
        domain_a: str = "a",
        domain_b: str = "b",
    ) -> None:
        super().__init__()
        for name, generator in (("a_to_b", a_to_b), ("b_to_a", b_to_a)):
            size = generator.config.get("sample_size", resolution)
            if size != resolution:
                raise ValueError(
                    f"resolution must be that of the generators, got {resolution}, and {name} is "
                    f"for {size}: try {size}"
                )
        for name, domain in (("domain_a", domain_a), ("domain_b", domain_b)):
            if not isinstance(domain, str) or not domain.strip():
                raise ValueError(f"{name} must be a name such as 'anime', got {domain!r}")
        self.register_modules(a_to_b=a_to_b, b_to_a=b_to_a)
        self.register_to_config(resolution=resolution, domain_a=domain_a, domain_b=domain_b)

    def __call__(
        self,
        images: Images,
        direction: Direction = "a_to_b",
        output_type: OutputType = "pil",
        crop: bool = False,
        size: int | None = None,
    ) -> ImagePipelineOutput:
        """As `translate`, in the output class of diffusers' pipelines."""
        return ImagePipelineOutput(
            images=self.translate(images, direction, output_type, crop, size)
        )

    def translate(
        self,
        images: Images,
        direction: Direction = "a_to_b",
        output_type: OutputType = "pil",
        crop: bool = False,
        size: int | None = None,
    ) -> Pictures:
        """Translates images of one domain to the other.

        Args:
            images: The images.
            direction: "a_to_b" or "b_to_a".
            output_type: "pil" or "pt".
            crop: Take the centre square of each picture. Without it, pictures of one call must be
                of one shape, and at most 8 times as long as wide.
            size: The shorter side of pictures in pixels, up to 8 times the pipeline's resolution.
                Default: that resolution, which gives the best translations.

        Raises:
            ValueError: If there is no such direction, no image, or a size is out of its range.
        """
        generator, _ = self._generators(direction)
        return postprocess(self._generate(generator, self._pixels(images, crop, size)), output_type)

    def cycle(
        self,
        images: Images,
        direction: Direction = "a_to_b",
        output_type: OutputType = "pil",
        crop: bool = False,
        size: int | None = None,
    ) -> tuple[Pictures, Pictures]:
        """Translates images to the other domain, and the translations back to the first.

        Args:
            images: The images.
            direction: Of the first translation, "a_to_b" or "b_to_a".
            output_type: "pil" or "pt".
            crop: As for `translate`.
            size: As for `translate`.

        Returns:
            The translations and the cycle reconstructions.

        Raises:
            ValueError: As for `translate`.
        """
        forward, backward = self._generators(direction)
        translations = self._generate(forward, self._pixels(images, crop, size))
        cycled = self._generate(backward, translations)
        return postprocess(translations, output_type), postprocess(cycled, output_type)

    def _pixels(self, images: Images, crop: bool, size: int | None) -> Tensor:
        resolution = self.config.resolution
        networks = (self.a_to_b, self.b_to_a)
        factor = math.lcm(*(getattr(network, "size_multiple", 1) for network in networks))
        size = resolution if size is None else size
        if type(size) is not int or not factor <= size <= _LARGEST * resolution or size % factor:
            raise ValueError(
                f"size must be a multiple of {factor} from {factor} to {_LARGEST * resolution}, "
                f"got {size!r}"
            )
        return preprocess(images, size, None if crop else factor)

    def _generators(self, direction: str) -> tuple[ModelMixin, ModelMixin]:
        if direction == "a_to_b":
            return self.a_to_b, self.b_to_a
        if direction == "b_to_a":
            return self.b_to_a, self.a_to_b
        a, b = self.config.domain_a, self.config.domain_b
        raise ValueError(
            f"direction must be a_to_b ({a} to {b}) or b_to_a ({b} to {a}), got {direction!r}"
        )

    @torch.no_grad()
    def _generate(self, generator: ModelMixin, pixels: Tensor) -> Tensor:
        device = self._execution_device
        batch_size = _CPU_BATCH_SIZE if device.type == "cpu" else _BATCH_SIZE
        larger = math.prod(pixels.shape[2:]) / self.config.resolution**2
        parts = pixels.split(max(int(batch_size / larger), 1))
        outputs = [
            # Convolutions are faster with channels last, and keep them so.
            generator(part.to(device, generator.dtype, memory_format=torch.channels_last)).sample
            for part in (self.progress_bar(parts) if len(pixels) > _BATCH_SIZE else parts)
        ]
        return torch.cat(outputs).float().clamp(-1, 1)

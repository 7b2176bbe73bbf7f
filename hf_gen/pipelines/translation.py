"""Translate images between two domains with the two generators of a CycleGAN.

Source: Zhu et al., Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks,
2017, https://arxiv.org/abs/1703.10593.

This file imports torch and diffusers only: it is also the remote code of a repository on the Hub.
"""

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
_AT_ONCE = 64
_AT_ONCE_ON_A_CPU = 16  # few enough images that their widest maps stay in its caches


class TranslationPipeline(ImagePipeline):
    """Translation of square images between two domains, by a generator for each direction.

    Images are given and returned as `ImagePipeline` says.

    Args:
        a_to_b: The generator of images of domain b: images to an output with a `sample`.
        b_to_a: The generator of images of domain a.
        resolution: Height and width of their images in pixels.
        domain_a: What the images of domain a are, such as "anime".
        domain_b: What the images of domain b are, such as "cartoon".

    Raises:
        ValueError: If a generator was made for another resolution, or a domain has no name.
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
        self, images: Images, direction: Direction = "a_to_b", output_type: OutputType = "pil"
    ) -> ImagePipelineOutput:
        """As `translate`, in the output class of diffusers' pipelines."""
        return ImagePipelineOutput(images=self.translate(images, direction, output_type))

    def translate(
        self, images: Images, direction: Direction = "a_to_b", output_type: OutputType = "pil"
    ) -> Pictures:
        """Translates images of one domain to the other.

        Args:
            images: The images.
            direction: "a_to_b" or "b_to_a".
            output_type: "pil" or "pt".

        Raises:
            ValueError: If there is no such direction, or no image.
        """
        generator, _ = self._generators(direction)
        pixels = preprocess(images, self.config.resolution)
        return postprocess(self._generate(generator, pixels), output_type)

    def cycle(
        self, images: Images, direction: Direction = "a_to_b", output_type: OutputType = "pil"
    ) -> tuple[Pictures, Pictures]:
        """Translates images to the other domain, and the translations back to the first.

        Args:
            images: The images.
            direction: Of the first translation, "a_to_b" or "b_to_a".
            output_type: "pil" or "pt".

        Returns:
            The translations and the cycle reconstructions.

        Raises:
            ValueError: If there is no such direction, or no image.
        """
        forward, backward = self._generators(direction)
        translations = self._generate(forward, preprocess(images, self.config.resolution))
        cycled = self._generate(backward, translations)
        return postprocess(translations, output_type), postprocess(cycled, output_type)

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
        parts = pixels.split(_AT_ONCE_ON_A_CPU if device.type == "cpu" else _AT_ONCE)
        made = [
            # Convolutions are faster with channels last, and keep them so.
            generator(part.to(device, generator.dtype, memory_format=torch.channels_last)).sample
            for part in (self.progress_bar(parts) if len(pixels) > _AT_ONCE else parts)
        ]
        return torch.cat(made).float().clamp(-1, 1)

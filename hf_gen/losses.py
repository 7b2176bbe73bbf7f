"""The terms of the objectives, as pure functions.

Those of a VAE are summed over the pixels or latents of an image and returned per image, in nats;
the caller averages over the batch. The adversarial ones are means.

Source: Kingma and Welling, Auto-Encoding Variational Bayes, 2013, equation 10 and appendices B, C.
"""

import math

from torch import Tensor
from torch.nn import functional

from hf_gen.config import AdversarialLoss, Likelihood


def reconstruction_nll(
    images: Tensor, predicted: Tensor, likelihood: Likelihood, scale: float
) -> Tensor:
    """Negative log likelihood of `images` given the decoder's output.

    Args:
        images: In [-1, 1], (batch, channels, height, width).
        predicted: The same shape: for "bernoulli" logits, `image = 2 sigmoid(logits) - 1`; else
            images.
        likelihood: Which distribution a pixel has.
        scale: Standard deviation of "gaussian" or scale of "laplace", in units of [-1, 1].

    Returns:
        Nats per image, (batch,). For "bernoulli" that is the cross-entropy, which is no density of
        pixels between black and white: https://arxiv.org/abs/1907.06845 measures the difference.
    """
    match likelihood:
        case "bernoulli":
            nll = functional.binary_cross_entropy_with_logits(
                predicted, (images + 1) / 2, reduction="none"
            )
        case "gaussian":
            normaliser = math.log(scale * math.sqrt(2 * math.pi))
            nll = 0.5 * ((images - predicted) / scale).square() + normaliser
        case "laplace":
            nll = (images - predicted).abs() / scale + math.log(2 * scale)
    return nll.sum(dim=(1, 2, 3))


def bits_per_dimension(nats: float, resolution: int, likelihood: Likelihood) -> float:
    """A negative log likelihood of an image as bits for one colour of one pixel.

    Args:
        nats: Per image, such as the negative ELBO.
        resolution: Height and width of the image.
        likelihood: For "gaussian" and "laplace", which are densities over [-1, 1], the bits are
            those of 8-bit pixels, whose 256 values lie 1 / 127.5 apart. For "bernoulli" they are a
            cross-entropy and no density, so they compare with Bernoulli models only.
    """
    bits = nats / (3 * resolution**2 * math.log(2))
    return bits if likelihood == "bernoulli" else bits + math.log2(127.5)


def kl_to_standard_normal(mean: Tensor, logvar: Tensor) -> Tensor:
    """KL divergence of N(mean, exp(logvar)) from N(0, I).

    Args:
        mean: (batch, channels, height, width).
        logvar: The same shape.

    Returns:
        Nats per image, (batch,).
    """
    return 0.5 * (mean.square() + logvar.exp() - 1 - logvar).sum(dim=(1, 2, 3))


def generator_loss(logits: Tensor, kind: AdversarialLoss, real: Tensor | None = None) -> Tensor:
    """The adversarial loss of a generator.

    Args:
        logits: The discriminator's, of translated images, any shape; higher is more real.
        kind: "least_squares" (Mao et al., 2017, as CycleGAN), "hinge" (Lim and Ye, 2017),
            "non_saturating" (Goodfellow et al., 2014) or "relativistic" (Jolicoeur-Martineau, 2019;
            the pairs of Huang et al., 2024).
        real: Those of as many real images, which "relativistic" compares with.

    Returns:
        The mean over all logits, a scalar.
    """
    match kind:
        case "least_squares":
            return (logits - 1).square().mean()
        case "hinge":
            return -logits.mean()
        case "non_saturating":
            return functional.softplus(-logits).mean()
        case "relativistic":
            assert real is not None
            return functional.softplus(real - logits).mean()


def discriminator_loss(real: Tensor, fake: Tensor, kind: AdversarialLoss) -> Tensor:
    """The loss of a discriminator: half of that on real and half of that on translated images.

    The half is CycleGAN's (Zhu et al., 2017, section 4); it slows the discriminator down. The
    relativistic loss has one term for both.

    Args:
        real: Logits of real images.
        fake: Logits of translated ones.
        kind: As for `generator_loss`.

    Returns:
        A scalar.
    """
    match kind:
        case "least_squares":
            return 0.5 * ((real - 1).square().mean() + fake.square().mean())
        case "hinge":
            return 0.5 * (functional.relu(1 - real).mean() + functional.relu(1 + fake).mean())
        case "non_saturating":
            return 0.5 * (functional.softplus(-real).mean() + functional.softplus(fake).mean())
        case "relativistic":
            return functional.softplus(fake - real).mean()


def squared_gradient(logits: Tensor, moved: Tensor, distance: float) -> Tensor:
    """Squared norm of a discriminator's gradient with respect to images, by finite differences.

    Its expectation over the noise is the penalty R1 or R2, without a second backward pass.

    Args:
        logits: Of the images.
        moved: Of the same images with standard normal noise times `distance` added.
        distance: Small beside the range of the images, 2.

    Returns:
        The mean over all logits, a scalar.

    Source: Mescheder, Geiger and Nowozin, Which Training Methods for GANs do actually Converge?,
        2018, for R1 and R2; Huang, Gokaslan, Kuleshov and Tompkin, The GAN is dead; long live the
        GAN!, 2024, for both of them with the relativistic loss.
    """
    return ((moved - logits) / distance).square().mean()

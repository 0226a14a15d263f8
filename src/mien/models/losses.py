"""Loss terms: pure functions from tensors to one number for each image, [N]."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def squared_error(x_hat: Tensor, x: Tensor) -> Tensor:
    """Squared error, averaged over pixels and channels.  [N,3,S,S] x 2 -> [N]"""
    return (x_hat - x).square().mean((1, 2, 3))


def kl_to_standard_normal(mu: Tensor, logvar: Tensor) -> Tensor:
    """KL( N(mu, exp(logvar)) || N(0, I) ), in nats.  [N,Z] x 2 -> [N]

    Source: Kingma & Welling 2014 (arXiv:1312.6114), appendix B.
    """
    return 0.5 * (mu.square() + logvar.exp() - logvar - 1).sum(1)


def normal_cross_entropy(z: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """-log N(z; mu, exp(logvar)) in nats, averaged over the latent.  [N,Z] x 3 -> [N]"""
    squares = (z - mu).square() * (-logvar).exp()
    return 0.5 * (squares + logvar + math.log(2 * math.pi)).mean(1)


def gaussian_log_likelihood(x_hat: Tensor, x: Tensor, variance: float | Tensor) -> Tensor:
    """log N(x; x_hat, variance * I): the log density in nats, summed over pixels and channels.  [N,3,S,S] x 2 -> [N]

    Source: Kingma & Welling 2014 (arXiv:1312.6114), appendix C.2, with one variance for all pixels.
    """
    dimensions = x[0].numel()
    log_variance = torch.log(2 * torch.pi * torch.as_tensor(variance, dtype=x.dtype, device=x.device))
    return -0.5 * dimensions * (log_variance + squared_error(x_hat, x) / variance)


def judged_real(logits: Tensor) -> Tensor:
    """-log of the probability that the discriminator calls these images real.  [N] -> [N]

    The discriminator minimises it on real images; the generator on its own, which is the non-saturating form.
    Source: Goodfellow et al. 2014 (arXiv:1406.2661), section 3.
    """
    return F.softplus(-logits)


def judged_fake(logits: Tensor) -> Tensor:
    """-log of the probability that the discriminator calls these images generated.  [N] -> [N]

    Source: Goodfellow et al. 2014 (arXiv:1406.2661), equation 1.
    """
    return F.softplus(logits)


def attribute_cross_entropy(logits: Tensor, y: Tensor) -> Tensor:
    """Binary cross-entropy in nats, averaged over attributes.  [N,A] x 2 -> [N]"""
    return F.binary_cross_entropy_with_logits(logits, y, reduction="none").mean(1)


def gradient_penalty_r1(logits: Tensor, x: Tensor) -> Tensor:
    """Squared norm of the gradient of the discriminator's logit by the real image.  [N], [N,3,S,S] -> [N]

    `x` must require gradients before the discriminator sees it.
    Source: Mescheder et al. 2018 (arXiv:1801.04406), equation 9, without the factor gamma / 2.
    """
    (gradient,) = torch.autograd.grad(logits.sum(), x, create_graph=True)
    return gradient.square().sum((1, 2, 3))

"""A learned prior: a small network that carries noise to where the latents of faces lie, by flow matching."""

import math

import torch
from torch import Tensor, nn

from mien.faces.batches import Batch
from mien.models.terms import Quantity

WIDTH, BLOCKS = 256, 3
FREQUENCIES = 32  # of sines and cosines that tell the network the time
LARGEST_FREQUENCY = 30.0  # radians over the whole way
STEPS = 10  # of Heun's method, from noise to latents
DRAWS = 8  # pairs of noise and time for each latent of a batch
MEMORY = 0.99  # decay of the running mean and variance of latents, a batch

VELOCITY = Quantity(
    "Prior: squared error of the velocity",
    healthy="It falls at first and soon stays where it is, far above zero: many latents lie on the way of one noise.",
)


class Block(nn.Module):
    """A layer that starts as the identity, and is told the time.  [N,W], [N,W] -> [N,W]"""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.normalization = nn.LayerNorm(width)
        self.inner, self.time, self.outer = (nn.Linear(width, width) for _ in range(3))
        nn.init.zeros_(self.outer.weight)
        nn.init.zeros_(self.outer.bias)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """The input, and what the layer adds to it."""
        added: Tensor = self.outer(nn.functional.silu(self.inner(self.normalization(x)) + self.time(time)))
        return x + added


class LatentFlow(nn.Module):
    """From standard normal noise to latents, along the velocity field of a small network.

    The network learns the velocity of straight lines from noise to latents, both scaled to a variance of 1; following
    its mean from time 0 to 1 carries the one distribution to the other. Untrained it gives a normal distribution with
    the latents' mean and variance.
    Source: Lipman et al. 2023 (arXiv:2210.02747), equations 21 to 23; Liu et al. 2023 (arXiv:2209.03003).

    mean, variance: running ones of latents, [Z].    batches: how many they were taken from, [].
    """

    mean: Tensor
    variance: Tensor
    batches: Tensor
    frequencies: Tensor

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        self.first = nn.Linear(latent_dim, WIDTH)
        self.time = nn.Sequential(nn.Linear(2 * FREQUENCIES, WIDTH), nn.SiLU(), nn.Linear(WIDTH, WIDTH), nn.SiLU())
        self.blocks = nn.ModuleList(Block(WIDTH) for _ in range(BLOCKS))
        self.last = nn.Linear(WIDTH, latent_dim)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)
        self.register_buffer("mean", torch.zeros(latent_dim))
        self.register_buffer("variance", torch.ones(latent_dim))
        self.register_buffer("batches", torch.zeros(()))
        frequencies = torch.exp(torch.linspace(0, math.log(LARGEST_FREQUENCY), FREQUENCIES))
        self.register_buffer("frequencies", frequencies, persistent=False)

    def velocity(self, x: Tensor, time: Tensor) -> Tensor:
        """The mean velocity at some places and times.  [N,Z], [N,1] in [0, 1] -> [N,Z]

        Where latents are normal and independent it is known; the network learns what is to be added.
        """
        angles = time * self.frequencies
        told, h = self.time(torch.cat([angles.sin(), angles.cos()], 1)), self.first(x)
        for block in self.blocks:
            h = block(h, told)
        of_normal_latents = x * (2 * time - 1) / (time.square() + (1 - time).square())
        velocity: Tensor = of_normal_latents + self.last(h)
        return velocity

    def forward(self, noise: Tensor) -> Tensor:
        """Latents, by Heun's method.  [N,Z] -> [N,Z]"""
        x, step = noise, 1 / STEPS
        for number in range(STEPS):
            time = torch.full_like(x[:, :1], number * step)
            velocity = self.velocity(x, time)
            if number < STEPS - 1:  # the last step is Euler's: at time 1 the network has learnt least
                velocity = (velocity + self.velocity(x + step * velocity, time + step)) / 2
            x = x + step * velocity
        return x * self.variance.sqrt() + self.mean

    def loss(self, z: Tensor, batch: Batch) -> Tensor:
        """Squared error of the velocity on the way to latents, averaged over the latent.  [N,Z] -> [N]"""
        if self.training:
            self._watch(z)
        z = (z - self.mean) / self.variance.sqrt()
        noise, time = batch.noise(DRAWS * z.shape[1]).view(-1, z.shape[1]), batch.uniform(DRAWS).view(-1, 1)
        z = z.repeat_interleave(DRAWS, 0)
        velocity = self.velocity(torch.lerp(noise, z, time), time)
        return (velocity.float() - (z - noise)).square().mean(1).view(-1, DRAWS).mean(1)

    @torch.no_grad()
    def _watch(self, z: Tensor) -> None:
        """Move the running mean and variance towards those of a batch of latents.  [N,Z]"""
        decay = (self.batches / (self.batches + 1)).clamp(max=MEMORY)
        mean, variance = z.mean(0), z.var(0, correction=0).clamp(min=1e-6)
        self.mean.lerp_(mean, 1 - decay)
        self.variance.lerp_(variance, 1 - decay)
        self.batches += 1

"""PyTorch as one would write it: networks from torch.nn, the faces in memory, a loop around forward, backward and step.

The adversarial loop is that of PyTorch's own DCGAN tutorial: generated images are made once a step, and seen by the
discriminator detached first. What is added is --precision bfloat16, which is a context around the forward pass.
"""

from collections.abc import Callable

from worker import KL_WEIGHT, LATENT_DIM, Pace, Task, read_task

pace = Pace()

import torch  # noqa: E402
from networks import decoder, encoder, to_signed  # noqa: E402
from torch import Tensor  # noqa: E402
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy  # noqa: E402
from torch.nn.functional import mse_loss  # noqa: E402

pace.tell("imported")

Step = Callable[[Tensor, Tensor], None]  # one update of everything, from images and labels


def vae(task: Task, size: int) -> Step:
    """Mean squared error and a weighted KL, with RMSprop."""
    to_moments, to_image = encoder(size, task.width, 2 * LATENT_DIM), decoder(size, task.width)
    parameters = [*to_moments.parameters(), *to_image.parameters()]
    optimizer = torch.optim.RMSprop(parameters, lr=1e-3, alpha=0.9, eps=1e-7)

    def step(x: Tensor, y: Tensor) -> None:
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=task.precision == "bfloat16"):
            mu, logvar = to_moments(x).float().chunk(2, dim=1)
            x_hat = to_image(mu + torch.exp(0.5 * logvar) * torch.randn_like(mu))
            kl = 0.5 * (mu**2 + logvar.exp() - logvar - 1).sum(1).mean()
            loss = mse_loss(x_hat.float(), x) + KL_WEIGHT * kl
        loss.backward()
        optimizer.step()

    return step


def adversarial(task: Task, size: int, attributes: int) -> Step:
    """The discriminator on real and on generated images, then the generator; labels too where there are attributes."""
    generator = decoder(size, task.width, LATENT_DIM + attributes)
    discriminator = encoder(size, task.width, 1 + attributes)
    of_generator = torch.optim.Adam(generator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    of_discriminator = torch.optim.Adam(discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    autocast = torch.autocast("cpu", torch.bfloat16, enabled=task.precision == "bfloat16")

    def loss(images: Tensor, y: Tensor, real: float) -> Tensor:
        logits = discriminator(images).float()
        adversarial_loss = cross_entropy(logits[:, 0], torch.full((len(images),), real))
        return adversarial_loss + cross_entropy(logits[:, 1:], y) if attributes else adversarial_loss

    def step(x: Tensor, y: Tensor) -> None:
        of_discriminator.zero_grad()
        with autocast:
            loss_of_real = loss(x, y, 1.0)
        loss_of_real.backward()
        with autocast:
            fake = generator(torch.cat([torch.randn(len(x), LATENT_DIM), y], dim=1))
            loss_of_fake = loss(fake.detach(), y, 0.0)
        loss_of_fake.backward()
        of_discriminator.step()
        of_generator.zero_grad()
        with autocast:
            loss_of_generator = loss(fake, y, 1.0)
        loss_of_generator.backward()
        of_generator.step()

    return step


def main() -> None:
    """Train until nobody asks for more."""
    task = read_task()
    images = torch.from_numpy(task.images)
    labels = torch.from_numpy(task.labels) if task.model == "acgan" else torch.zeros(len(images), 0)
    size = images.shape[1]
    step = vae(task, size) if task.model == "vae" else adversarial(task, size, labels.shape[1])
    for rows in task.batches_of_rows():
        step(to_signed(images[rows]), labels[rows])
        pace.step()


if __name__ == "__main__":
    main()

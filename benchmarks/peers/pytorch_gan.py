"""The way of PyTorch-GAN: its training loop around the coursework's networks.

What is kept of it: the generator moves first, with the discriminator's gradients computed along; one batch of generated
images for both updates; half of the sum of both losses; noise from NumPy; batches from a DataLoader with shuffling; the
losses printed at every step. What is not: its networks, and pictures opened from files (faces are floats in memory).
Source: github.com/eriklindernoren/PyTorch-GAN, implementations/dcgan and implementations/acgan.
"""

from worker import LATENT_DIM, Pace, Task, read_task

pace = Pace()

import numpy as np  # noqa: E402
import torch  # noqa: E402
from networks import decoder, encoder, to_signed  # noqa: E402
from torch import Tensor  # noqa: E402
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy  # noqa: E402
from torch.utils.data import DataLoader, TensorDataset  # noqa: E402

pace.tell("imported")


class Training:
    """Both networks with their optimizers."""

    def __init__(self, task: Task, size: int, attributes: int) -> None:
        self.attributes = attributes
        self.generator = decoder(size, task.width, LATENT_DIM + attributes)
        self.discriminator = encoder(size, task.width, 1 + attributes)
        self.of_generator, self.of_discriminator = (
            torch.optim.Adam(network.parameters(), lr=2e-4, betas=(0.5, 0.999))
            for network in (self.generator, self.discriminator)
        )

    def loss(self, images: Tensor, y: Tensor, truth: Tensor) -> Tensor:
        """How wrong the discriminator is, and its auxiliary head."""
        logits = self.discriminator(images)
        loss = cross_entropy(logits[:, :1], truth)
        return 0.5 * (loss + cross_entropy(logits[:, 1:], y)) if self.attributes else loss

    def step(self, real: Tensor, y: Tensor) -> None:
        """One update of the generator, then one of the discriminator."""
        count = len(real)
        valid, fake = torch.ones(count, 1), torch.zeros(count, 1)
        self.of_generator.zero_grad()
        z = torch.from_numpy(np.random.normal(0, 1, (count, LATENT_DIM)).astype(np.float32))
        wanted = torch.from_numpy(np.random.randint(0, 2, (count, self.attributes)).astype(np.float32))
        generated = self.generator(torch.cat([z, wanted], dim=1))
        loss_of_generator = self.loss(generated, wanted, valid)
        loss_of_generator.backward()
        self.of_generator.step()
        self.of_discriminator.zero_grad()
        loss_of_real, loss_of_fake = self.loss(real, y, valid), self.loss(generated.detach(), wanted, fake)
        loss_of_discriminator = 0.5 * (loss_of_real + loss_of_fake)
        loss_of_discriminator.backward()
        self.of_discriminator.step()
        print(f"[D loss: {loss_of_discriminator.item():f}] [G loss: {loss_of_generator.item():f}]")


def main() -> None:
    """Train until nobody asks for more."""
    task = read_task()
    images = to_signed(torch.from_numpy(task.images)).contiguous()
    labels = torch.from_numpy(task.labels) if task.model == "acgan" else torch.zeros(len(images), 0)
    training = Training(task, images.shape[-1], labels.shape[1])
    loader = DataLoader(TensorDataset(images, labels), task.batch, shuffle=True, drop_last=True)
    while True:
        for real, y in loader:
            training.step(real, y)
            pace.step()


if __name__ == "__main__":
    main()

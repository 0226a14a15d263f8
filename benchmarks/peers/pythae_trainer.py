"""pythae's VAE and trainer, around the coursework's networks.

Its loss is half the summed squared error and the KL of weight 1, which costs what mien's costs.
"""

import tempfile

from worker import LATENT_DIM, Pace, read_task

pace = Pace()

import torch  # noqa: E402
from networks import decoder, encoder, to_signed  # noqa: E402
from pythae.data.datasets import BaseDataset  # noqa: E402
from pythae.models import VAE, VAEConfig  # noqa: E402
from pythae.models.base.base_utils import ModelOutput  # noqa: E402
from pythae.models.nn import BaseDecoder, BaseEncoder  # noqa: E402
from pythae.trainers import BaseTrainer, BaseTrainerConfig  # noqa: E402
from pythae.trainers.training_callbacks import TrainingCallback  # noqa: E402
from torch import Tensor  # noqa: E402

pace.tell("imported")


class Encoder(BaseEncoder):
    """The coursework's encoder, as pythae asks for one."""

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.latent_dim = LATENT_DIM
        self.network = encoder(size, width, 2 * LATENT_DIM)

    def forward(self, x: Tensor) -> ModelOutput:
        """Mean and log-variance.  [N,3,S,S] -> [N,Z] x 2"""
        mu, logvar = self.network(x).chunk(2, dim=1)
        return ModelOutput(embedding=mu, log_covariance=logvar)


class Decoder(BaseDecoder):
    """The coursework's decoder, as pythae asks for one."""

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.network = decoder(size, width)

    def forward(self, z: Tensor) -> ModelOutput:
        """Images.  [N,Z] -> [N,3,S,S]"""
        return ModelOutput(reconstruction=self.network(z))


class Paced(TrainingCallback):
    """Keeps pace with the benchmark."""

    def on_train_step_end(self, training_config: BaseTrainerConfig, **more: object) -> None:
        """A step is done."""
        pace.step()


def main() -> None:
    """Train until nobody asks for more."""
    task = read_task()
    images = to_signed(torch.from_numpy(task.images)).contiguous()
    size = images.shape[-1]
    config = BaseTrainerConfig(
        output_dir=tempfile.mkdtemp(dir=task.folder),
        num_epochs=1_000_000,
        per_device_train_batch_size=task.batch,
        learning_rate=1e-3,
        optimizer_cls="RMSprop",
        optimizer_params={"alpha": 0.9, "eps": 1e-7},
        no_cuda=True,
    )
    model = VAE(
        VAEConfig(input_dim=(3, size, size), latent_dim=LATENT_DIM),
        encoder=Encoder(size, task.width),
        decoder=Decoder(size, task.width),
    )
    # A number of images that whole batches use up: the last, smaller one would count as a step.
    whole = images[: len(images) // task.batch * task.batch]
    BaseTrainer(model, BaseDataset(whole, torch.zeros(len(whole))), training_config=config, callbacks=[Paced()]).train()


if __name__ == "__main__":
    main()

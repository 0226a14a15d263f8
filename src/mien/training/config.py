"""How a model is trained: the options of the [training] section of a recipe."""

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

if TYPE_CHECKING:
    from mien.models.base import Model

DeviceName = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["auto", "float32", "bfloat16"]
OptimizerName = Literal["adam", "rmsprop"]


class TrainConfig(BaseModel):
    """How a model is trained; which model it is makes no difference here."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    batch_size: int = Field(128, ge=1, le=2**20, description="images of an update, over all processes")
    epochs: float | None = Field(None, gt=0, le=1e9, description="passes over the training split; or give steps")
    steps: int | None = Field(None, ge=1, le=10**12, description="of every phase once; or give epochs")
    optimizer: OptimizerName = "adam"
    learning_rate: float = Field(2e-4, gt=0, lt=10)
    schedule: Literal["constant", "cosine"] = Field("constant", description="of the learning rate, down to 0")
    beta1: float = Field(0.5, ge=0, lt=1, description="Adam's decay of the mean gradient")
    beta2: float = Field(0.999, ge=0, lt=1, description="Adam's decay of the squared gradient")
    rho: float = Field(0.9, ge=0, lt=1, description="RMSprop's decay of the squared gradient")
    ema_decay: float = Field(0.0, ge=0, lt=1, description="of the moving average of the weights, a step; 0: none")
    seed: int = Field(0, ge=0, lt=2**32)
    device: DeviceName = "auto"
    precision: Precision = "auto"
    cuda_graphs: bool = Field(True, description="on a GPU, record each update once and play it back")
    log_every_images: int = Field(12_800, ge=1)
    snapshot_every_images: int = Field(128_000, ge=1, description="sample pictures and validation")
    first_snapshot_images: int | None = Field(
        None, ge=1, description="a snapshot after so many images too, after twice as many and so on, until the usual"
    )
    checkpoint_every_seconds: float = Field(60.0, ge=0)

    @model_validator(mode="after")
    def _one_length(self) -> "TrainConfig":
        if (self.epochs is None) == (self.steps is None):
            raise ValueError("training needs exactly one of epochs and steps. Give training.epochs or training.steps.")
        return self

    def is_snapshot_due(self, before: int, seen: int) -> bool:
        """Whether a step from so many images seen to so many more passes the moment of a snapshot."""
        if crosses(before, seen, self.snapshot_every_images):
            return True
        early = self.first_snapshot_images or self.snapshot_every_images
        while early < self.snapshot_every_images:
            if before < early <= seen:
                return True
            early *= 2
        return False

    def images_per_step(self, model: "Model") -> int:
        """Images that one pass through the model's phases sees."""
        return self.batch_size * max(phase.repeat for phase in model.phases)

    def total_images(self, images_per_epoch: int, images_per_step: int) -> int:
        """Images to see, rounded up to whole steps."""
        if self.steps is not None:
            return self.steps * images_per_step
        assert self.epochs is not None
        return -int(-self.epochs * images_per_epoch // images_per_step) * images_per_step


def crosses(before: int, after: int, every: int) -> bool:
    """Whether a multiple of `every` lies in (before, after]."""
    return after // every > before // every

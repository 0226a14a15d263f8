"""Options that every model has."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Normalization = Literal["none", "batch", "group"]


class ModelConfig(BaseModel):
    """What every model has to be told."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    name: str
    latent_dim: int = Field(512, ge=1, le=65536, description="numbers in a latent")
    width: int = Field(
        64, ge=1, le=4096, description="channels of the layer nearest to the image; each further one doubles"
    )
    depth: int = Field(3, ge=1, le=7, description="stride-2 layers of the encoder and of the decoder")
    normalization: Normalization = Field("none", description="of the maps between layers")

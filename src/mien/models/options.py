"""Options that every model has."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

AUTO = "auto"  # of an option that the data decides
Normalization = Literal["none", "batch", "group"]


class ModelConfig(BaseModel):
    """Options of every model; a subclass adds its own."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    name: str
    latent_dim: int = Field(512, ge=1, le=65536, description="numbers in a latent")
    width: int = Field(
        64, ge=1, le=4096, description="channels of the layer nearest to the image; each further one doubles"
    )
    depth: int = Field(3, ge=1, le=7, description="stride-2 layers of the encoder and of the decoder")
    normalization: Normalization = Field("none", description="of the maps between layers")
    _model_class: Any = PrivateAttr(None)

    @property
    def model_class(self) -> Any:
        """The class that takes these options, where a recipe of the user's own code was read; else None."""
        return self._model_class

    def of_class(self, model_class: type) -> "ModelConfig":
        """These options, of a class that the table of models does not have."""
        self._model_class = model_class
        return self

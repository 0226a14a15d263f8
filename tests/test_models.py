"""The contract of every model of the table, and what each one can do."""

from pathlib import Path

import pytest
import torch

import tiny
from mien.errors import RecipeError
from mien.models import MODELS, model_class
from mien.models.base import Classifies, Encodes, Model
from mien.models.layer_table import layer_table
from mien.pictures import of_models
from mien.training.loop import freeze_all_but

every_model = pytest.mark.parametrize("name", MODELS)
OPTIONS = (
    {"depth": 2},
    {"depth": 4},
    {"width": 3},
    {"latent_dim": 1},
    {"normalization": "batch"},
    {"normalization": "group"},
    {"kl_weight": 0.0},
    {"label_conditioning": "embedding"},
    {"attributes": ("Male",)},
    {"classification_weight": 0.0},
    {"classify_generated": False},
    {"discriminator_updates": 3},
    {"r1_weight": 1.0, "r1_every": 1},
)
conditional = pytest.mark.parametrize("name", [name for name in MODELS if tiny.has_attributes(name)])


def everything_on(name: str) -> Model:
    """A model with batch normalization and every phase its options can give it."""
    options = {"normalization": "batch", "r1_weight": 1.0, "r1_every": 1, "discriminator_updates": 2}
    fields = model_class(name).Config.model_fields
    return tiny.model(name, **{key: value for key, value in options.items() if key in fields})


def labels(model: Model, count: int) -> torch.Tensor | None:
    return torch.ones(count, len(model.attributes)) if model.attributes else None


@every_model
@pytest.mark.parametrize("size", [32, 64, 128])
def test_generated_images_are_float32_of_the_right_size_and_range(name: str, size: int) -> None:
    model = tiny.model(name, size=size)
    x = model.generate(100 * torch.randn(3, model.latent_dim), labels(model, 3))
    assert (x.shape, x.dtype) == ((3, 3, size, size), torch.float32)
    assert x.abs().max() <= 1


@every_model
def test_generated_images_are_float32_in_mixed_precision_too(name: str) -> None:
    model = tiny.model(name)
    with torch.autocast("cpu", torch.bfloat16):
        assert model.generate(torch.randn(2, model.latent_dim), labels(model, 2)).dtype == torch.float32
        terms = [term for phase in model.phases for term in phase.loss(tiny.batch(model)).values()]
        assert all(term.value.dtype == torch.float32 for term in terms)


@every_model
def test_a_phase_gives_finite_scalars_and_gradients_only_where_it_moves(name: str) -> None:
    model = everything_on(name)
    for phase in model.phases:
        freeze_all_but(model, phase.moves)
        model.zero_grad()
        terms = phase.loss(tiny.batch(model))
        assert all(term.value.shape == () and term.value.isfinite() for term in terms.values())
        sum(term.weighted for term in terms.values()).backward()
        reached = {network for network, body in model.named_children() if any_gradient(body)}
        assert reached == set(phase.moves)


def any_gradient(body: torch.nn.Module) -> bool:
    return any(p.grad is not None and bool(p.grad.any()) for p in body.parameters())


@every_model
def test_a_network_that_does_not_move_keeps_its_weights_and_its_running_statistics(name: str, tmp_path: Path) -> None:
    for index in range(len(everything_on(name).phases)):
        model = everything_on(name)
        model.phases = model.phases[index : index + 1]
        before = {key: value.clone() for key, value in model.state_dict().items()}
        tiny.trainer(model, tmp_path, checkpoint=f"{index}.safetensors").run()
        changed = {key.split(".")[0] for key, value in model.state_dict().items() if not value.equal(before[key])}
        assert changed == set(model.phases[0].moves)


@every_model
def test_the_running_statistics_of_a_network_that_moves_are_learnt(name: str, tmp_path: Path) -> None:
    model = everything_on(name)
    tiny.trainer(model, tmp_path).run()
    counts = {key: value for key, value in model.state_dict().items() if key.endswith("num_batches_tracked")}
    assert counts
    assert all(count > 0 for count in counts.values())


@every_model
def test_sampling_is_deterministic_and_each_image_stands_alone(name: str) -> None:
    model = everything_on(name).train()
    z = of_models.latents(model, 6, seed=1)
    together = of_models.generate(model, z, labels(model, 6))
    assert (together == of_models.generate(model, z, labels(model, 6))).all()
    alone = of_models.generate(model, z[:1], labels(model, 1))
    assert abs(alone.astype(int) - together[:1]).max() <= 1  # a product of another shape may round differently
    assert model.training


@every_model
def test_a_model_can_do_what_its_abilities_promise(name: str) -> None:
    model, batch = tiny.model(name), tiny.batch(tiny.model(name))
    if isinstance(model, Encodes):
        assert [latent.shape for latent in model.encode(batch.x)] == [(8, 8), (8, 8)]
    if isinstance(model, Classifies):
        assert model.classify(batch.x).shape == batch.y.shape


def test_the_vae_encodes_and_the_acgan_classifies() -> None:
    assert [name for name in MODELS if isinstance(tiny.model(name), Encodes)] == ["vae"]
    assert [name for name in MODELS if isinstance(tiny.model(name), Classifies)] == ["acgan"]


@conditional
@pytest.mark.parametrize("conditioning", ["concat", "embedding"])
def test_an_attribute_changes_the_image_and_nothing_else_does(name: str, conditioning: str) -> None:
    model = tiny.model(name, label_conditioning=conditioning)
    z, y = torch.randn(4, model.latent_dim), torch.zeros(4, 2)
    off, on = of_models.pairs(model, z, y, "Smiling")
    assert (off == of_models.generate(model, z, y)).all()
    assert (off != on).any((1, 2, 3)).all()
    assert (on == of_models.generate(model, z, torch.tensor([[0.0, 1.0]]).expand(4, 2))).all()


@conditional
def test_a_pair_comes_from_the_same_noise(name: str) -> None:
    model, seen = tiny.model(name), []
    model.generator.decoder.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    z = of_models.latents(model, 4, seed=0)
    of_models.pairs(model, z, torch.zeros(4, 2), "Male")
    (off, on), expected = seen, torch.tensor([[1.0, 0.0]]).expand(4, 2)
    assert off[:, :8].equal(z)
    assert on[:, :8].equal(z)
    assert (on - off)[:, 8:].equal(expected)


def test_the_head_learns_on_generated_images_only_where_it_is_asked_to() -> None:
    terms = {
        asked: tiny.model("acgan", classify_generated=asked).discriminator_loss(tiny.batch(tiny.model("acgan")))
        for asked in (True, False)
    }
    assert terms[True].keys() - terms[False].keys() == {"classification_fake"}
    assert terms[False]["classification_real"].value == terms[True]["classification_real"].value


@conditional
def test_a_conditional_model_refuses_to_generate_without_attributes(name: str) -> None:
    with pytest.raises(ValueError, match="needs attributes"):
        tiny.model(name).generate(torch.zeros(1, 8))


@pytest.mark.parametrize(
    ("name", "option"),
    [
        (name, option)
        for name in MODELS
        for option in OPTIONS
        if option.keys() <= model_class(name).Config.model_fields.keys()
    ],
    ids=str,
)
def test_every_option_of_a_model_builds_and_trains_a_step(name: str, option: dict[str, object], tmp_path: Path) -> None:
    model = tiny.model(name, **option)
    before = [p.detach().clone() for p in model.parameters()]
    tiny.trainer(model, tmp_path).run()
    assert any(not p.equal(old) for p, old in zip(model.parameters(), before, strict=True))


@every_model
@pytest.mark.parametrize(("size", "deepest"), [(32, 4), (64, 5), (128, 6)])
def test_an_image_that_cannot_be_halved_so_often_is_refused(name: str, size: int, deepest: int) -> None:
    tiny.model(name, size=size, width=1, depth=deepest)
    with pytest.raises(RecipeError, match=rf"depth is {deepest + 1}.*{size} x {size}.*1 to {deepest}"):
        tiny.model(name, size=size, width=1, depth=deepest + 1)


@every_model
def test_the_table_of_layers_counts_every_parameter_and_leaves_the_model_alone(name: str) -> None:
    model = everything_on(name)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    layers = layer_table(model)
    assert sum(layer.parameters for layer in layers) == sum(p.numel() for p in model.parameters())
    assert {layer.network for layer in layers} == {network for network, _ in model.named_children()}
    assert (3, 32, 32) in {layer.shape for layer in layers}
    assert all(value.equal(before[key]) for key, value in model.state_dict().items())

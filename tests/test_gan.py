"""What the GAN alone does: the lazy penalty beside its two networks, and the line at which nobody can tell."""

from pathlib import Path

import tiny
from mien.models.terms import ADVERSARIAL, LN2
from mien.report import figures
from mien.report.loss_curves import panels


def test_phases_that_move_the_same_networks_share_an_optimizer(tmp_path: Path) -> None:
    trainer = tiny.trainer(tiny.model("gan", r1_weight=1.0), tmp_path)
    assert set(trainer.optimizers) == {("discriminator",), ("generator",)}


def test_phases_are_updated_as_often_as_they_say(tmp_path: Path) -> None:
    model, counts = tiny.model("gan", discriminator_updates=3, r1_weight=1.0, r1_every=2), {}
    for phase in model.phases:
        counts[phase.name] = 0
    trainer = tiny.trainer(model, tmp_path, steps=4, log_every_images=10**6)
    plain = trainer.meter.add
    trainer.meter.add = lambda phase, terms: (counts.update({phase: counts[phase] + 1}), plain(phase, terms))[1]
    trainer.run()
    assert counts == {"discriminator": 12, "r1": 2 * 3 // 3, "generator": 4}
    assert trainer.images_seen == 4 * 3 * 8


def test_adversarial_curves_have_a_line_where_the_discriminator_cannot_tell():
    panel = panels([{"images_seen": 10, "discriminator/adversarial_real": 1.0}], tiny.model("gan"))[ADVERSARIAL]
    levels = [line.get_ydata()[0] for line in figures.curves([panel], "steps", 1).axes[0].lines]
    assert LN2 in levels

"""Hostile recipes, overrides, plans and studies: wrong keys, types, ranges, huge numbers, deep nesting."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import tomli_w

from hostile_case import Case

RECIPE: dict[str, Any] = {
    "name": "odd",
    "data": {"source": "drawn:100", "size": 32},
    "model": {"name": "acgan", "latent_dim": 4, "width": 2, "attributes": ["Male"]},
    "training": {"steps": 1, "batch_size": 4},
}
VALUES: dict[str, Any] = {
    "nothing": "", "a word": "much", "minus one": -1, "zero": 0, "a fraction": 0.5, "a huge number": 10**30,
    "infinity": float("inf"), "minus infinity": float("-inf"), "not a number": float("nan"), "1e308": 1e308,
    "true": True, "a list": [1, 2], "an empty list": [], "a table": {"a": 1}, "a list of tables": [{"a": 1}] * 3,
    "a deep list": "DEEP", "a long word": "x" * 10_000, "an escape": "\x1b[2J\n", "NUL": "a\0b", "a date": "DATE",
}  # fmt: skip
KEYS = (
    "name", "data", "data.source", "data.size", "data.crop", "data.attributes_table", "data.skip_bad", "model", "model.name",
    "model.latent_dim", "model.width", "model.depth", "model.normalization", "model.attributes",
    "model.classification_weight", "model.r1_weight", "training", "training.steps", "training.epochs", "training.batch_size",
    "training.optimizer", "training.learning_rate", "training.beta1", "training.ema_decay", "training.seed",
    "training.device", "training.log_every_images", "training.checkpoint_every_seconds", "health",
)  # fmt: skip
OVERRIDES = (
    "", "=", "a", "=1", "training.epochs", "training.epochs=", "training..epochs=1", ".=1", "a.b.c.d=1", "training=1",
    "training.steps.x=1", "model.name=[]", "model.name=x", "model.name={}", "data.crop=[1,2,3]", "data.crop=[0,0,inf,1]",
    "training.epochs=1e999", "training.epochs=nan", "training.steps=1\nname='x'", "training.steps=0x10", "name=../../x",
    "name=", "name=\x1b[2J", "training.seed=4294967296", "x" * 100_000 + "=1", ".".join("x" * 5_000) + "=1",
    "training.epochs=" + "[" * 5_000, "training.steps=" + "9" * 5_000, "training.steps=" + "9" * 100, "data.source=" + "x" * 9_000,
    "model.width=" + "{a=" * 3_000, "training.learning_rate=1e-400", "training.batch_size=1000000000000",
)  # fmt: skip
HUGE = {  # networks of terabytes
    "a width of 4096 and a depth of 7": {"width": 4096, "depth": 7, "latent_dim": 65536},
    "a width of 4096": {"width": 4096, "depth": 5},
    "a latent of 65536": {"width": 4096, "latent_dim": 65536},
}


ODD_NAMES = (
    "", "x" * 300, "x/" * 3000, "a\0b", "\x1b[2J", "/", "/dev/zero", "/etc/passwd", "../vae-quick", "vae-quikc",
)  # fmt: skip


def cases() -> Iterator[Case]:
    """All of them."""
    for key in KEYS:
        for name, value in VALUES.items():
            yield Case("recipes", f"{key} is {name}", partial(with_value, key, value), "a recipe")
        yield Case("recipes", f"{key} is missing", partial(without, key), "a recipe")
        yield Case("recipes", f"{key}x is no key", partial(with_value, f"{key}x", 1), "a recipe", "refusal")
    for override in OVERRIDES:
        name = f"the override {override[:40]!r}, {len(override)} letters"
        yield Case("recipes", name, partial(overridden, override), "a recipe")
    for name, content in texts().items():
        yield Case("recipes", name, content, "a recipe", "refusal")
    for name, model in HUGE.items():
        yield Case("recipes", name, partial(huge, model), "a recipe", "refusal")
    for name in ODD_NAMES:
        for room in ("recipe", "plan", "study"):
            case = f"a {room} called {name[:20]!r}"
            yield Case("recipes", case, partial(nothing_but, name), f"a {room}", "refusal")
    for name, change in PLANS.items():
        yield Case("plans", name, partial(planned, change), "a plan")
    for name, change in STUDIES.items():
        yield Case("studies", name, partial(studied, change), "a study")


def written(table: dict[str, Any], path: Path) -> Path:
    """A table as TOML, with what no writer of TOML writes put in."""
    text = tomli_w.dumps(table).replace('"DEEP"', "[" * 3_000 + "]" * 3_000).replace('"DATE"', "2018-01-01T00:00:00Z")
    path.write_text(text, encoding="utf-8")
    return path


def changed(key: str, value: Any) -> dict[str, Any]:
    table: dict[str, Any] = {name: dict(part) if isinstance(part, dict) else part for name, part in RECIPE.items()}
    *sections, last = key.split(".")
    inside = table[sections[0]] if sections else table
    if key == "training.epochs":
        inside.pop("steps")
    inside[last] = value
    return table


def with_value(key: str, value: Any, folder: Path) -> Path:
    return written(changed(key, value), folder / "r.toml")


def without(key: str, folder: Path) -> Path:
    table = changed(key, None)
    *sections, last = key.split(".")
    (table[sections[0]] if sections else table).pop(last)
    return written(table, folder / "r.toml")


def overridden(override: str, folder: Path) -> tuple[Path, list[str]]:
    return written(RECIPE, folder / "r.toml"), [override]


def huge(model: dict[str, Any], folder: Path) -> Path:
    table = RECIPE | {"data": {"source": "drawn:100", "size": 128}, "model": {"name": "vae"} | model}
    return written(table, folder / "r.toml")


def texts() -> dict[str, bytes]:
    """Files that are no recipe."""
    plain = tomli_w.dumps(RECIPE)
    return {
        "no bytes": b"",
        "noise": bytes(range(256)) * 20,
        "UTF-16": plain.encode("utf-16"),
        "lists in lists": b"a = " + b"[" * 100_000,
        "tables in tables": b"a = " + b"{b = " * 100_000,
        "a number of 100,000 digits": b"a = " + b"1" * 100_000,
        "keys of keys": b"a" + b".a" * 50_000 + b" = 1",
        "a key twice": (plain + "\n[model]\nname = 'vae'\n").encode(),
        "JSON": b'{"name": "x"}',
        "50 MB": b"#" * (50 * 2**20),
        "an unclosed word": b'name = "' + b"x" * 100_000,
        "a word that says it is a model": b'model = "vae"\nname = "x"\ntraining = {steps = 1}',
    }


def nothing_but(name: str, folder: Path) -> str:
    """A name alone."""
    return name


# Plans and studies

PLAN: dict[str, Any] = {"name": "odd", "title": "Odd", "recipes": ["r.toml", "vae-quick"]}
PLANS: dict[str, dict[str, Any]] = {
    **{f"{key} is {name}": {key: value} for key in PLAN for name, value in VALUES.items()},
    "a recipe twice": {"recipes": ["r.toml", "r.toml"]},
    "itself as a recipe": {"recipes": ["p.toml"]},
    "recipes of odd names": {"recipes": ["", "..", "/dev/zero", "\x1b[2J", "a\0b", "x" * 5000]},
    "10,000 recipes": {"recipes": ["vae-quick"] * 10_000},
    "a key more": {"recipe": []},
}
STUDY: dict[str, Any] = {
    "name": "odd",
    "title": "Odd",
    "recipe": "vae-quick",
    "metrics": ["reconstruction"],
    "axes": [{"metric": "test_mse", "label": "error"}],
    "vary": {"model.latent_dim": [2, 4]},
}
STUDIES: dict[str, dict[str, Any]] = {
    **{f"{key} is {name}": {key: value} for key in STUDY for name, value in VALUES.items()},
    **{f"vary holds {name}": {"vary": {"model.latent_dim": [2, value]}} for name, value in VALUES.items()},
    **{f"arms are {name}": {"arms": value} for name, value in VALUES.items()},
    **{f"claims are {name}": {"claims": value} for name, value in VALUES.items()},
    "10^12 arms": {"vary": {f"model.a{at}": list(range(100)) for at in range(6)}},
    "10,000 arms": {"vary": {"training.seed": list(range(10_000))}},
    "an arm with an override that is none": {"arms": [{"name": "x", "set": ["a"]}]},
    "an arm of an unknown recipe": {"arms": [{"name": "x", "recipe": "\x1b[2J"}]},
    "a claim about nobody": {"claims": [{"text": "t", "arm": "x" * 9000, "kind": "lower"}]},
    "a margin that is no number": {"claims": [{"text": "t", "arm": "2", "kind": "lower", "by": float("nan")}]},
    "a factor without end": {"claims": [{"text": "t", "arm": "2", "kind": "fails", "factor": float("inf")}]},
    "a metric there is not": {"metrics": ["x" * 9000]},
    "a budget without end": {"budgets": {"quick": {"images": 10**30}}},
    "an unknown budget": {"budgets": {"slow": {}}},
}


def planned(change: dict[str, Any], folder: Path) -> Path:
    written(RECIPE, folder / "r.toml")
    return written(PLAN | change, folder / "p.toml")


def studied(change: dict[str, Any], folder: Path) -> Path:
    return written(STUDY | change, folder / "s.toml")

"""Rules about the samples of a model, at its snapshots."""

from mien.health.alarm import (
    DISTANCE,
    PATIENCE,
    SHARPNESS,
    VARIETY,
    Lines,
    Rule,
    best_snapshot,
    find_lowest,
    has_terms,
    holds_twice,
    moment_of,
)

FOR_VARIETY = ("a lower model.kl_weight", "model.r1_weight=1", "a lower training.learning_rate")
VARIED = 0.2  # of real images' variety; samples below it are alike
BETTER = 0.98  # of the best distance, or less: an improvement


def loses_variety(lines: Lines) -> str:
    """The variety is less than half of the highest before, which counts as 1 at most."""
    before = lines[:-1]
    if not before:
        return ""
    highest, now = max(before, key=lambda line: float(line[VARIETY])), lines[-1][VARIETY]
    was = min(1.0, highest[VARIETY])  # an early sheet of noise may be more varied than faces
    if was < VARIED or now >= was / 2:
        return ""
    return (
        f"samples are losing variety: {now:.2f} of real, was {highest[VARIETY]:.2f} {moment_of(highest)}"
        f"{best_snapshot(lines)}."
    )


def regains_variety(lines: Lines, since: int) -> str:
    """The variety is at four fifths of the highest before the fault."""
    was = min(1.0, max(line[VARIETY] for line in lines[:since]))
    now, fell = lines[-1][VARIETY], find_lowest(lines[since:], VARIETY)[VARIETY]
    return "" if now < 0.8 * was else f"samples are varied again: {now:.2f} of real, fell to {fell:.2f}."


def never_varied(lines: Lines) -> str:
    """The variety was below VARIED at every snapshot so far."""
    if len(lines) < PATIENCE - 1 or any(line[VARIETY] >= VARIED for line in lines):
        return ""
    return (
        f"samples are all alike: {lines[-1][VARIETY]:.2f} of real images' variety, never more than "
        f"{max(line[VARIETY] for line in lines):.2f}."
    )


def becomes_varied(lines: Lines, since: int) -> str:
    """The variety is half as much again as VARIED."""
    now = lines[-1][VARIETY]
    return "" if now < 1.5 * VARIED else f"samples are no longer alike: {now:.2f} of real images' variety."


def is_noisy(lines: Lines) -> str:
    """Samples are more than twice as sharp as real images, twice in succession."""
    if not holds_twice(lines, lambda line: line[SHARPNESS] > 2):
        return ""
    return (
        f"samples are noise or full of edges: {lines[-1][SHARPNESS]:.1f} times as sharp as real images"
        f"{best_snapshot(lines)}. Try a lower training.learning_rate, or training.ema_decay=0.995."
    )


def is_calm(lines: Lines, since: int) -> str:
    """Samples are at most 1.5 times as sharp as real images."""
    now = lines[-1][SHARPNESS]
    return "" if now > 1.5 else f"samples are no longer noise: {now:.1f} times as sharp as real images."


def gets_worse(lines: Lines) -> str:
    """The distance is a quarter above the best, twice in succession."""
    best, now = find_lowest(lines, DISTANCE), lines[-1]
    if not holds_twice(lines, lambda line: line[DISTANCE] > 1.25 * best[DISTANCE]):
        return ""
    return (
        f"samples are getting worse: validation Fréchet distance {now[DISTANCE]:.3g}, best {best[DISTANCE]:.3g} "
        f"{moment_of(best)}; that snapshot is kept. Try a lower training.learning_rate."
    )


def is_good_again(lines: Lines, since: int) -> str:
    """The distance is within 10 % of the best before, twice in succession."""
    was, now = find_lowest(lines[:since], DISTANCE)[DISTANCE], lines[-1][DISTANCE]
    if not holds_twice(lines, lambda line: line[DISTANCE] <= 1.1 * was):
        return ""
    return f"samples are good again: validation Fréchet distance {now:.3g}, best before {was:.3g}."


def stalls(lines: Lines) -> str:
    """No snapshot of the last PATIENCE has a better distance."""
    if len(lines) <= PATIENCE:
        return ""
    best, now = find_lowest(lines[:-PATIENCE], DISTANCE), lines[-1]
    if find_lowest(lines[-PATIENCE:], DISTANCE)[DISTANCE] < BETTER * best[DISTANCE]:
        return ""
    return (
        f"samples have stopped getting better: validation Fréchet distance {now[DISTANCE]:.3g}, best "
        f"{best[DISTANCE]:.3g} {moment_of(best)}. More of the same will change little; the best snapshot is kept."
    )


def improves(lines: Lines, since: int) -> str:
    """The distance is better than all before."""
    was, now = find_lowest(lines[:since], DISTANCE)[DISTANCE], lines[-1][DISTANCE]
    if now >= BETTER * was:
        return ""
    return f"samples are getting better again: validation Fréchet distance {now:.3g}, best before {was:.3g}."


RULES = (
    Rule("losing variety", has_terms(VARIETY), loses_variety, regains_variety, FOR_VARIETY),
    Rule("samples alike", has_terms(VARIETY), never_varied, becomes_varied, FOR_VARIETY),
    Rule("noisy samples", has_terms(SHARPNESS), is_noisy, is_calm),
    Rule("samples getting worse", has_terms(DISTANCE), gets_worse, is_good_again),
    Rule("stalled", has_terms(DISTANCE), stalls, improves),
)

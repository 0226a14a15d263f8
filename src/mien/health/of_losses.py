"""Rules about a model's losses: at its snapshots, and in the lines of training between them."""

from mien.health.alarm import (
    ACTIVE,
    ERROR,
    FAKE,
    KL,
    REAL,
    SNAPSHOT,
    TRAINING_ERROR,
    Line,
    Lines,
    Rule,
    find_lowest,
    has_terms,
    holds_twice,
    moment_of,
)

WINDOW = 10  # lines of training that a jump is compared with
LOOK_BACK = 50  # lines of training among which the lowest error is looked for
SMALLEST = 1e-3  # changes of a term below it do not count,
SMALLEST_NATS = 0.35  # and one in nats below this: half of ln 2, a guess
AGAINST_DISCRIMINATOR = ("model.r1_weight=1", "model.discriminator_updates=1", "a lower training.learning_rate")
AGAINST_LEARNING_BY_HEART = ("fewer images", "more faces", "data.horizontal_flips=true", "a smaller model.width")


def discriminator_wins(lines: Lines) -> str:
    """The discriminator is right about 98 % of real and of generated images, twice in succession."""
    if not holds_twice(lines, lambda line: min(line[REAL], line[FAKE]) >= 0.98):
        return ""
    return (
        f"the discriminator has won: it tells {lines[-1][REAL]:.0%} of real and {lines[-1][FAKE]:.0%} of generated "
        "images apart, so the generator learns little from it."
    )


def generator_is_back(lines: Lines, since: int) -> str:
    """The discriminator is wrong about more than 10 % of real or of generated images, twice in succession."""
    if not holds_twice(lines, lambda line: min(line[REAL], line[FAKE]) < 0.9):
        return ""
    real, fake = lines[-1][REAL], lines[-1][FAKE]
    return f"the discriminator no longer wins: it tells {real:.0%} of real and {fake:.0%} of generated images."


def encodes_nothing(lines: Lines) -> str:
    """No latent depends on the image, twice in succession."""
    if not holds_twice(lines, lambda line: line[ACTIVE] == 0):
        return ""
    return (
        f"nothing is encoded: none of the latents is active (KL {lines[-1][KL]:.2g} nats), so all reconstructions are "
        "one face."
    )


def encodes_something(lines: Lines, since: int) -> str:
    """Some latent depends on the image, twice in succession."""
    if not holds_twice(lines, lambda line: line[ACTIVE] > 0):
        return ""
    return f"latents are in use again: {lines[-1][ACTIVE]:.0f} are active (KL {lines[-1][KL]:.2g} nats)."


def learns_by_heart(lines: Lines) -> str:
    """The error of unseen faces rises, twice in succession, while that of training faces is lower than ever."""
    best = find_lowest(lines, ERROR)
    rises = holds_twice(lines, lambda line: line[ERROR] > 1.05 * best[ERROR])
    if not rises or lines[-1][TRAINING_ERROR] >= best[TRAINING_ERROR]:
        return ""
    return (
        f"learning by heart: validation error rises ({lines[-1][ERROR]:.2g}, was {best[ERROR]:.2g} {moment_of(best)}) "
        f"while that of training faces goes on falling ({lines[-1][TRAINING_ERROR]:.2g})."
    )


def generalises(lines: Lines, since: int) -> str:
    """The error of unseen faces is within 2 % of its lowest."""
    was, now = find_lowest(lines[:since], ERROR)[ERROR], lines[-1][ERROR]
    return "" if now > 1.02 * was else f"validation error has come down again: {now:.2g}, was {was:.2g} at its best."


def training_terms(line: Line) -> list[str]:
    """The loss terms of a training line; none of a snapshot's."""
    return [name for name in line if "/" in name and not name.startswith(SNAPSHOT)]


def weight_of(line: Line, term: str) -> float:
    """The weight of a term in the loss; 1 in older logs, which hold the product."""
    return float(line.get("weights", {}).get(term, 1))


def size_of(line: Line, term: str, now: Line) -> float:
    """How far from 0 a term is, times the weight that it has now: a weight that moves is no jump of its term."""
    return abs(float(line[term]) * (weight_of(now, term) if "weights" in line else 1))


def usual(lines: Lines, term: str, now: Line) -> float:
    """The largest size of a term in some lines."""
    in_nats = term.rpartition("/")[2].startswith(("adversarial", "classification"))
    return max([SMALLEST_NATS if in_nats else SMALLEST, *(size_of(line, term, now) for line in lines if term in line)])


def jumps(lines: Lines) -> str:
    """Some terms are four times as large as in any of the lines before."""
    before, now = lines[-WINDOW - 1 : -1], lines[-1]
    if len(before) < WINDOW // 2:
        return ""
    known = [term for term in training_terms(now) if any(term in line for line in before)]  # a phase may start late
    largest = {term: usual(before, term, now) for term in known}
    jumped = [
        f"{term} to {now[term]:.3g}, from {most / abs(weight_of(now, term)):.3g} or less"
        for term, most in largest.items()
        if size_of(now, term, now) > 4 * most
    ]
    if not jumped:
        return ""
    return f"training has jumped: {'; '.join(jumped)}. If it does not come back, try a lower training.learning_rate."


def comes_back(lines: Lines, since: int) -> str:
    """Every term is at most twice its usual size, or WINDOW lines have passed since the jump."""
    before, now = lines[max(0, since - WINDOW) : since], lines[-1]
    if all(size_of(now, term, now) <= 2 * usual(before, term, now) for term in training_terms(now)):
        return "training has come back from its jump."
    return "training has stayed where it jumped to." if len(lines) - since > WINDOW else ""


def training_error(line: Line) -> str:
    """The name of a model's own reconstruction error in a line of training; '' where the line has no such term."""
    return next((name for name in training_terms(line) if name.endswith("/reconstruction")), "")


def mean_errors(lines: Lines) -> list[tuple[float, int]]:
    """Means of the training error over half a window of lines, and the images seen at the end of each."""
    width = WINDOW // 2
    errors = [float(line[training_error(line)]) for line in lines]
    return [(sum(errors[i - width : i]) / width, lines[i - 1]["images_seen"]) for i in range(width, len(errors) + 1)]


def rises(lines: Lines) -> str:
    """The error in training is a fifth above its lowest."""
    means = mean_errors(lines[-LOOK_BACK:])
    if not means or means[-1][0] <= 1.2 * min(means)[0]:
        return ""
    error, images = min(means)
    return (
        f"training error is rising: {means[-1][0]:.2g}, was {error:.2g} at {images:,} images. "
        "Try a lower training.learning_rate."
    )


def falls(lines: Lines, since: int) -> str:
    """The error in training is within 5 % of its lowest."""
    was, now = min(mean_errors(lines[max(0, since - LOOK_BACK) : since]))[0], mean_errors(lines[-WINDOW:])[-1][0]
    return "" if now > 1.05 * was else f"training error has come down again: {now:.2g}, was {was:.2g}."


RULES = (
    Rule("discriminator has won", has_terms(REAL, FAKE), discriminator_wins, generator_is_back, AGAINST_DISCRIMINATOR),
    Rule("nothing encoded", has_terms(ACTIVE, KL), encodes_nothing, encodes_something, ("a lower model.kl_weight",)),
    Rule(
        "learning by heart", has_terms(ERROR, TRAINING_ERROR), learns_by_heart, generalises, AGAINST_LEARNING_BY_HEART
    ),
    Rule("training jumped", lambda line: bool(training_terms(line)), jumps, comes_back),
    Rule("training error rising", lambda line: bool(training_error(line)), rises, falls),
)

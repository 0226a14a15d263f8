"""The judge: trained once for a set of faces, right about them, and the same for everybody who asks."""

import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

import tiny
from mien.errors import Interrupted, RunError
from mien.faces import UNKNOWN, Faces, open_faces
from mien.judge import Judge, judge_of
from mien.judge import trained_judge as judge_module
from mien.metrics.control.judge_accuracy import area_under_curve, balanced_accuracy, judgement
from mien.metrics.evaluated_model import Subject
from mien.runs.folder import Run
from tiny import ADVERSARIAL


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a judge that is trained in a moment."""
    monkeypatch.setenv("MIEN_CACHE", str(tmp_path / "cache"))
    config = judge_module.JudgeConfig(width=4, fewest_images=640, most_images=640)
    monkeypatch.setattr(judge_module, "JudgeConfig", lambda: config)
    return tmp_path / "cache" / "judges"


@pytest.fixture(scope="module")
def drawn() -> Faces:
    return open_faces("drawn:2000", size=32)


@pytest.fixture(scope="module")
def judge(drawn: Faces) -> Judge:
    return judge_of(drawn)


def test_the_judge_of_drawn_faces_tells_their_attributes(judge: Judge, drawn: Faces) -> None:
    rows = drawn.rows("test")
    seen = judge.probabilities(drawn.images[rows]) > 0.5
    truth = drawn.attributes[rows][:, drawn.columns(judge.attributes)] == 1
    accuracy = [balanced_accuracy_score(truth[:, column], seen[:, column]) for column in range(truth.shape[1])]
    assert len(accuracy) == 13
    assert np.mean(accuracy) > 0.9
    assert accuracy[judge.attributes.index("Male")] > 0.97


def test_features_have_a_variance_of_one_on_average_over_training_images(judge: Judge, drawn: Faces) -> None:
    features = judge.features(drawn.images[drawn.rows("train")])
    assert features.mean() == pytest.approx(0, abs=0.01)
    assert features.var(0).mean() == pytest.approx(1, abs=0.01)


def test_the_judge_is_trained_once_and_then_read(cache: Path, faces: Faces) -> None:
    told: list[str] = []
    first = judge_of(faces, lambda words, done, total: told.append(words))
    assert told
    told.clear()
    second = judge_of(faces, lambda words, done, total: told.append(words))
    assert not told
    np.testing.assert_array_equal(first.features(faces.images[:9]), second.features(faces.images[:9]))
    assert [path.suffix for path in cache.iterdir() if path.suffix != ".lock"] == [".safetensors"]


def test_a_damaged_judge_is_trained_again_and_comes_out_the_same(cache: Path, faces: Faces) -> None:
    first = judge_of(faces).probabilities(faces.images[:9])
    (file,) = cache.glob("*.safetensors")
    file.write_bytes(file.read_bytes()[:1000])
    np.testing.assert_array_equal(judge_of(faces).probabilities(faces.images[:9]), first)


def test_a_judge_whose_training_was_stopped_goes_on_and_comes_out_the_same(cache: Path, faces: Faces) -> None:
    def stop(words: str, done: int, total: int) -> None:
        if done == 320:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted):
        judge_of(faces, stop)
    seen: list[int] = []
    resumed = judge_of(faces, lambda words, done, total: seen.append(done)).features(faces.images[:9])
    assert min(seen) > 320
    (file,) = cache.glob("*.safetensors")
    file.unlink()
    np.testing.assert_array_equal(judge_of(faces).features(faces.images[:9]), resumed)


def test_other_faces_have_another_judge(cache: Path, faces: Faces) -> None:
    judge_of(faces)
    judge_of(replace(faces, fingerprint="other"))
    assert len(list(cache.glob("*.safetensors"))) == 2


def test_asking_for_a_judge_leaves_the_random_numbers_of_a_training_alone(cache: Path, faces: Faces) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    judge_of(faces)
    torch.testing.assert_close(torch.rand(3), expected)


def test_unknown_values_do_not_keep_a_face_from_teaching_the_others(cache: Path, faces: Faces) -> None:
    attributes = faces.attributes.copy()
    attributes[::2, 0] = UNKNOWN
    judge = judge_of(replace(faces, attributes=attributes, fingerprint="partly"))
    assert judge.attributes == judge_of(faces).attributes
    assert np.isfinite(judge.probabilities(faces.images[:5])).all()


def test_an_attribute_that_hardly_varies_is_not_told(cache: Path, faces: Faces) -> None:
    attributes = faces.attributes.copy()
    attributes[:, 0] = 1
    judge = judge_of(replace(faces, attributes=attributes, fingerprint="all male"))
    assert judge.attributes == tuple(name for name in judge_of(faces).attributes if name != faces.attribute_names[0])


def test_faces_without_attributes_have_a_judge_that_sees_but_tells_nothing(cache: Path, faces: Faces) -> None:
    bare = replace(faces, attributes=faces.attributes[:, :0], attribute_names=(), fingerprint="bare")
    judge = judge_of(bare)
    assert judge.attributes == ()
    assert judge.probabilities(faces.images[:5]).shape == (5, 0)
    assert judge.features(faces.images[:5]).shape == (5, 128)
    assert judge.features(faces.images[:50]).std() > 0.1


def test_a_cache_that_cannot_be_written_is_said_in_words(
    faces: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("MIEN_CACHE", str(tmp_path / "file"))
    with pytest.raises(RunError, match=r"cannot be made .* Set MIEN_CACHE"):
        judge_of(faces)


# How far it can be trusted


def test_the_judge_is_judged_on_test_images_first(trained_runs: dict[str, Run], faces: Any) -> None:
    subject: Subject = tiny.subject(trained_runs[ADVERSARIAL], faces)
    scores = judgement(subject)
    rows = faces.rows("test")
    column = subject.judge.attributes.index("Male")
    seen = subject.judge.probabilities(faces.images[rows])[:, column]
    truth = faces.attributes[rows, faces.attribute_names.index("Male")]
    assert scores["judge_accuracy_Male"].value == pytest.approx(balanced_accuracy_score(truth, seen > 0.5))
    auc = scores["judge_auc_Male"]
    assert auc.value == pytest.approx(roc_auc_score(truth, seen))
    assert auc.low <= auc.value <= auc.high


def test_the_interval_of_an_auc_covers_that_of_many_more_images() -> None:
    random = np.random.default_rng(0)

    def trial(count: int) -> tuple[Any, Any]:
        truth = random.random(count) < 0.3
        return (random.normal(size=count) + truth).astype(np.float32), truth

    expected = roc_auc_score(*reversed(trial(200_000)))
    scores = [area_under_curve(*trial(150)) for _ in range(40)]
    assert 0.85 <= np.mean([score.low <= expected <= score.high for score in scores]) <= 1


@given(
    st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2).filter(lambda pairs: len({t for _, t in pairs}) == 2)
)
def test_balanced_accuracy_is_that_of_scikit_learn(pairs: list[tuple[bool, bool]]) -> None:
    seen, truth = np.array(pairs).T
    score = balanced_accuracy(seen, truth, "")
    assert score.value == pytest.approx(balanced_accuracy_score(truth, seen))
    assert 0 <= score.low <= score.value <= score.high <= 1


def test_a_few_answers_that_are_all_right_are_no_certainty() -> None:
    score = balanced_accuracy(np.array([True, False]), np.array([True, False]), "")
    assert score.value == score.high == 1
    assert score.low < 0.5


def test_a_class_without_images_counts_as_a_guess() -> None:
    assert balanced_accuracy(np.array([True, True]), np.array([True, True]), "").value == 0.75


def test_the_interval_of_an_accuracy_shrinks_with_more_images() -> None:
    seen, truth = np.array([True, False, False, True] * 5), np.array([True, True, False, False] * 5)
    few, many = balanced_accuracy(seen, truth, ""), balanced_accuracy(np.tile(seen, 100), np.tile(truth, 100), "")
    assert few.value == many.value == 0.5
    assert (few.high - few.low) / (many.high - many.low) == pytest.approx(10)

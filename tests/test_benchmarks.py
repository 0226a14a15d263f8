"""What the benchmarks' figures rest on: fair turns, equal networks, counted arithmetic, words where something lacks."""

import sys
from dataclasses import replace
from pathlib import Path

import figures
import gpu
import measuring
import networks
import numpy as np
import pytest
import step_time
import torch
import training
from worker import Task

import tiny
from mien.models.convnets import Decoder, Encoder
from tiny import ADVERSARIAL, CONDITIONAL, ENCODING


def test_what_is_compared_takes_turns():
    calls = []
    measures = {name: lambda name=name: calls.append(name) or 1.0 for name in "ABC"}
    assert measuring.interleaved(measures, rounds=2) == {"A": [1.0, 1.0], "B": [1.0, 1.0], "C": [1.0, 1.0]}
    assert calls == [*"ABCABC"]


def test_a_ratio_is_taken_within_each_round():
    assert str(measuring.ratio_of([2.0, 30.0, 4.0], [1.0, 10.0, 4.0])) == "2.00 (1.00 to 3.00)"


def test_results_are_recorded_with_hardware_versions_and_trials(tmp_path):
    ceilings = measuring.Ceilings(1.0, 2.0, 3.0)
    measuring.write_csv("x", [{"what": "a", "seconds": 1.23456}], trials=5, ceilings=ceilings, folder=tmp_path)
    (row,) = measuring.read_csv("x", tmp_path)
    assert (row["what"], row["seconds"], row["trials"], row["bfloat16_gflops"]) == ("a", "1.235", "5", "2.0")
    assert row["torch"] == torch.__version__
    assert row["machine"]


def test_peers_have_the_networks_of_mien():
    pairs = [
        (networks.encoder(64, 4, 9), Encoder(64, 4, 3, 9), torch.randn(2, 3, 64, 64)),
        (networks.decoder(64, 4), Decoder(64, 4, 3, 512), torch.randn(2, 512)),
    ]
    for theirs, ours, given in pairs:
        assert [p.shape for p in theirs.parameters()] == [p.shape for p in in_order(ours)]
        for their, our in zip(theirs.parameters(), in_order(ours), strict=True):
            their.data = our.data
        torch.testing.assert_close(theirs(given), ours(given))


def in_order(network: Encoder | Decoder) -> list[torch.nn.Parameter]:
    """Its parameters in the order in which data passes them."""
    ends = [network.head] if isinstance(network, Encoder) else []
    starts = [network.stem] if isinstance(network, Decoder) else []
    return [p for part in (*starts, network.convolutions, *ends) for p in part.parameters()]


def test_a_peer_trains_when_it_is_its_turn(tmp_path):
    np.save(tmp_path / "images.npy", tiny.noise_faces().images)
    np.save(tmp_path / "labels.npy", np.ones((64, 1), np.float32))
    task = Task(CONDITIONAL, width=4, batch=8, precision="float32", source="", folder=tmp_path)
    worker = training.Worker(training.Peer("plain PyTorch", "plain_pytorch"), task)
    worker.run(0.05)
    worker.stop()
    assert 0 < worker.import_seconds < worker.first_step_seconds
    assert worker.images_per_second[0] > 0


def test_a_peer_that_dies_is_told_with_its_last_words(tmp_path):
    task = Task(ENCODING, width=4, batch=8, precision="float32", source="", folder=tmp_path)
    with pytest.raises(SystemExit, match=r"plain PyTorch died before .*\n(.|\n)*images\.npy"):
        training.Worker(training.Peer("plain PyTorch", "plain_pytorch"), task)


def test_the_parts_of_a_step_make_up_the_whole():
    first, last = (phase.name for phase in tiny.model(ADVERSARIAL).phases)
    events, seconds = step_time.profile_steps(tiny.recipe(ADVERSARIAL), tiny.noise_faces(), 2)
    parts = {row["part"]: row["milliseconds"] for row in step_time.by_part(events, seconds)}
    assert {"data", f"{last}: backward", f"{first}: optimizer", "rest"} <= parts.keys()
    assert sum(parts.values()) == pytest.approx(1e3 * sum(seconds) / 2)
    assert all(milliseconds > 0 for milliseconds in parts.values())


def test_without_a_gpu_its_benchmark_says_so(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["gpu.py"])
    with pytest.raises(SystemExit, match=r"sees no CUDA device here.*--cpu"):
        gpu.main()


def test_the_path_of_the_gpu_benchmark_runs_on_a_cpu():
    extent = replace(gpu.TINY, seconds=0.05)
    rows = list(gpu.trainings(CONDITIONAL, gpu.noise_faces(32), extent, bfloat16_gflops=100.0))
    assert [(row["precision"], row["captured"]) for row in rows] == [("bfloat16", "no")] * 2 + [("float32", "no")] * 2
    assert all(row["images_per_second"] > 0 for row in rows)


def test_a_table_of_the_docs_says_where_nothing_was_recorded(monkeypatch):
    monkeypatch.setattr(figures, "RECORDED", Path("nowhere"))
    assert figures.filled("<start>\n", "memory", "<end>") == "<start>\n\nNot recorded yet.\n\n<end>"

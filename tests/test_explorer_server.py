"""The explorer's site, engine and server, asked over real sockets."""

import base64
import http.client
import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import tiny
from asking import ATTRIBUTES, COUNT, LATENT, Explorer, b64, drawn, error_of
from mien.cli import main
from mien.errors import RunError
from mien.explorer import app, latent_cache
from mien.explorer.engine import MOST_WAITING, Engine
from mien.explorer.server import listen
from mien.explorer.shown_numbers import numbers
from mien.explorer.site import Site, open_site
from mien.faces import Faces
from mien.metrics.numbers import find
from mien.pictures import of_models
from mien.runs.folder import Run
from mien.runs.score import Score
from mien.runs.weights import load_model
from mien.sessions.train import start_run
from tiny import ADVERSARIAL, CONDITIONAL, ENCODING

RunOf = Callable[[str], Run]


@pytest.fixture(scope="module")
def site(trained_runs: dict[str, Run]) -> Site:
    return open_site([run.path for run in trained_runs.values()])


@pytest.fixture(scope="module")
def explorer(site: Site) -> Iterator[Explorer]:
    explorer = Explorer(site)
    yield explorer
    explorer.stop()


def entry(site: Site, run: str) -> dict[str, Any]:
    return next(shown.model_dump() for shown in site.manifest.runs if shown.id == run)


# The site


def test_files_of_the_map_have_the_shapes_that_the_manifest_says(site: Site, faces: Faces) -> None:
    found = entry(site, ENCODING)
    count = found["map"]["count"]
    assert count == len(faces.rows("test"))
    lengths = {name: len(site.files[f"runs/{ENCODING}/{name}"]) for name in ("directions.f32", "map/latents.f16")}
    assert lengths == {"directions.f32": 4 * LATENT * len(found["directions"]), "map/latents.f16": 2 * LATENT * count}
    assert len(site.files[f"runs/{ENCODING}/map/pca.f32"]) == 8 * count
    assert len(site.files[f"runs/{ENCODING}/map/attributes.u8"]) == count * len(found["map"]["attributes"])


def test_every_file_that_the_manifest_names_is_there(site: Site) -> None:
    tree = site.tree()
    content = json.loads(tree["exhibit.json"])
    named = set(re.findall(r'"((?:runs|report)/[^"]+)"', json.dumps(content)))
    assert named
    assert named <= set(tree)
    assert "index.html" in tree


def test_an_attribute_direction_is_the_step_between_mean_latents(trained_runs: dict[str, Run], faces: Faces) -> None:
    model = load_model(trained_runs[ENCODING].weights).model
    site = open_site([trained_runs[ENCODING].path])
    names = [direction["name"] for direction in entry(site, ENCODING)["directions"]]
    steps = np.frombuffer(site.files[f"runs/{ENCODING}/directions.f32"], "<f4").reshape(-1, LATENT)
    rows = faces.rows("train")
    has = faces.attributes[rows, faces.columns(("Male",))[0]] == 1
    means = of_models.encode(model, faces.images[rows])[0]
    assert steps[names.index("Male")] == pytest.approx(means[has].mean(0) - means[~has].mean(0), abs=1e-6)


def test_a_principal_direction_is_one_standard_deviation_long() -> None:
    means = np.random.default_rng(0).standard_normal((500, 4)).astype(np.float32) * [3, 1, 0.5, 0]
    (about, first), *others = latent_cache.principal_directions(means.astype(np.float32))
    assert np.abs(first) == pytest.approx([means[:, 0].std(ddof=1), 0, 0, 0], abs=0.2)
    assert about.share + sum(other.share for other, _ in others) == pytest.approx(1, abs=1e-3)
    assert len(others) == 2  # nothing varies along the last one


def test_unknown_attributes_count_neither_as_having_it_nor_as_not() -> None:
    means = np.arange(60, dtype=np.float32)[:, None]
    attributes = np.repeat(np.array([1, 0, -1], np.int8), 20)[:, None]
    ((_, step),) = latent_cache.attribute_directions(means, attributes, ("Male",))
    assert step == pytest.approx(9.5 - 29.5)


def test_a_model_without_encoder_has_no_map_and_says_why(site: Site) -> None:
    found = entry(site, ADVERSARIAL)
    assert found["map"] is None
    assert not found["directions"]
    assert "no encoder" in found["notes"][0]


@pytest.mark.parametrize(("source", "why"), [("/nowhere/faces", "/nowhere/faces"), ("drawn:240", "other faces")])
def test_without_its_faces_a_run_is_explored_without_a_map(run_of: RunOf, source: str, why: str) -> None:
    found = entry(open_site([run_of(ENCODING).path], source=source), ENCODING)
    assert found["map"] is None
    assert found["encodes"]
    assert why in found["notes"][0]


def test_a_run_that_is_not_trained_is_refused_alone_and_left_out_among_others(run_of: RunOf, tmp_path: Path) -> None:
    started, _ = start_run(tiny.recipe(ADVERSARIAL), tmp_path / "started")
    with pytest.raises(RunError, match="mien resume"):
        open_site([started.path])
    manifest = open_site([started.path, run_of(ADVERSARIAL).path]).manifest
    assert [run.id for run in manifest.runs] == [ADVERSARIAL]
    assert "mien resume" in manifest.notes[0]


def test_a_run_whose_training_is_not_done_shows_its_best_snapshot(run_of: RunOf) -> None:
    run = run_of(ENCODING)
    run.weights.rename(run.best)
    assert [snapshot["id"] for snapshot in entry(open_site([run.path]), ENCODING)["snapshots"]] == ["best"]


def test_damaged_weights_are_refused_in_words(run_of: RunOf) -> None:
    run = run_of(ADVERSARIAL)
    run.weights.write_bytes(run.weights.read_bytes()[:1000])
    run.best.unlink(missing_ok=True)
    with pytest.raises(RunError, match="cannot be read"):
        open_site([run.path])


def test_a_map_is_computed_once(run_of: RunOf, monkeypatch: pytest.MonkeyPatch) -> None:
    first = open_site([run_of(ENCODING).path])
    monkeypatch.setattr(latent_cache, "compute", None)
    again = open_site([first.weights[ENCODING]["last"].parent])
    assert again.files == first.files
    assert again.manifest == first.manifest


def test_a_cache_that_is_damaged_or_cannot_be_written_costs_no_map(tmp_path: Path, site: Site) -> None:
    path = tmp_path / "file" / "map.npz"
    assert latent_cache.read(path) is None
    path.parent.write_bytes(b"no folder")
    found = latent_cache.Latents(*([np.zeros((1, 2))] * 1), [], *([np.zeros((1, 2))] * 4))
    latent_cache.write(path, found)
    broken = tmp_path / "broken.npz"
    latent_cache.write(broken, found)
    broken.write_bytes(broken.read_bytes()[:-40])
    assert latent_cache.read(broken) is None


def test_names_from_folders_become_plain_addresses(run_of: RunOf, tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ('<b>&"é', "b", "B ")]
    for path in paths:
        copied = tmp_path / ADVERSARIAL
        shutil.copytree(copied if copied.exists() else run_of(ADVERSARIAL).path, path)
    runs = open_site(paths).manifest.runs
    assert [run.id for run in runs] == ["b", "b-2", "b-3"]
    assert [run.name for run in runs] == [path.name for path in paths]


def test_a_number_stands_beside_its_floors_and_one_that_json_cannot_hold_is_left_out() -> None:
    names = (
        "test_mse",
        "baseline_mean_face_mse",
        "fd_judge_2k",
        "fd_judge_2k_floor_train",
        "kid_judge_2k",
        "leak_shift_A->B",
    )
    metrics = {name: Score(0.5, images=9) for name in names} | {"kid_judge_2k": Score(float("inf"))}
    metrics["baseline_mean_face_mse"] = Score(0.25)
    shown = {number.name: [(beside.label, beside.value) for beside in number.beside] for number in numbers(metrics)}
    assert shown == {
        "test_mse": [(find("baseline_mean_face_mse").title, 0.25)],
        "fd_judge_2k": [(find("fd_judge_2k_floor_train").title, 0.5)],
    }


def test_the_static_bundle_has_one_snapshot_and_the_addresses_of_its_networks(run_of: RunOf) -> None:
    run = run_of(ENCODING)
    shutil.copy(run.weights, run.best)
    found = entry(open_site([run.path], "web"), ENCODING)
    assert found["onnx"] == {
        "generator": f"runs/{ENCODING}/generator.onnx",
        "encoder": f"runs/{ENCODING}/encoder.onnx",
        "prior": None,
    }
    assert len(found["snapshots"]) == 1


# The engine


@pytest.mark.parametrize("name", [ENCODING, CONDITIONAL])
def test_both_runtimes_give_the_same_faces(trained_runs: dict[str, Run], name: str) -> None:
    pytest.importorskip("onnxscript")
    weights = {name: {"last": trained_runs[name].weights}}
    z = np.random.default_rng(0).standard_normal((4, LATENT)).astype(np.float32)
    y = np.ones((4, ATTRIBUTES), np.float32) if name == CONDITIONAL else None
    engines = [Engine(weights, "pytorch"), Engine(weights, "onnxruntime")]
    one, other = (engine.generate(name, "last", z, y).result().astype(int) for engine in engines)
    assert np.abs(one - other).max() <= 1
    if name == ENCODING:
        image = one[0].astype(np.uint8)
        means = [engine.encode(name, "last", image, None).result() for engine in engines]
        assert means[0] == pytest.approx(means[1], abs=1e-4)
    for engine in engines:
        engine.stop()


# The server


def test_generated_faces_are_those_of_the_model(explorer: Explorer, trained_runs: dict[str, Run]) -> None:
    for name in (ENCODING, CONDITIONAL):
        asked = drawn(name)
        status, headers, content = explorer.post("/api/generate", asked)
        z = torch.frombuffer(bytearray(base64.b64decode(asked["z"])), dtype=torch.float32).reshape(COUNT, LATENT)
        y = torch.tensor([[0.0, 1.0, 1.0]] * COUNT) if name == CONDITIONAL else None
        assert (status, headers["content-type"]) == (200, "application/octet-stream")
        assert content == of_models.generate(load_model(trained_runs[name].weights).model, z, y).tobytes()


def test_an_encoded_face_is_its_mean(explorer: Explorer, trained_runs: dict[str, Run], faces: Faces) -> None:
    image = np.asarray(faces.images[0])
    status, _, content = explorer.post("/api/encode", {"run": ENCODING, "snapshot": "last", "x": b64(image)})
    mean = of_models.encode(load_model(trained_runs[ENCODING].weights).model, image[None])[0][0]
    assert status == 200
    assert np.frombuffer(content, "<f4") == pytest.approx(mean, abs=1e-5)


REFUSED: dict[str, tuple[str, Any, int, str]] = {
    "not JSON": ("generate", b"{", 400, "JSON"),
    "not UTF-8": ("generate", b"\xff\xfe\xff", 400, "JSON"),
    "nested deeply": ("generate", b"[" * 3000, 400, "JSON"),
    "a number of too many digits": ("generate", b"1" * 5000, 400, "JSON"),
    "a list": ("generate", [], 400, "object"),
    "no run": ("generate", {}, 404, "no such run"),
    "a run of another kind": ("generate", drawn() | {"run": [ENCODING]}, 404, "no such run"),
    "another snapshot": ("generate", drawn(snapshot="first"), 404, "snapshot"),
    "a snapshot of another kind": ("generate", drawn(snapshot={}), 404, "snapshot"),
    "no faces": ("generate", drawn(count=0), 400, "from 1 to 64"),
    "too many faces": ("generate", drawn(count=10**9), 400, "from 1 to 64"),
    "a count that is true": ("generate", drawn(count=True), 400, "from 1 to 64"),
    "half a face": ("generate", drawn(count=1.5), 400, "from 1 to 64"),
    "latents of another shape": ("generate", drawn(count=2), 400, "bytes"),
    "latents that are no text": ("generate", drawn(z=[0.5]), 400, "base64"),
    "latents that are no base64": ("generate", drawn(z="!" * 128), 400, "base64"),
    "latents beyond ASCII": ("generate", drawn(z="é"), 400, "base64"),
    "NaN": ("generate", drawn(z=b64(np.full((COUNT, LATENT), np.nan, "<f4"))), 400, "finite"),
    "infinity": ("generate", drawn(z=b64(np.full((COUNT, LATENT), np.inf, "<f4"))), 400, "finite"),
    "attributes of none": ("generate", drawn(y=b64(np.zeros((COUNT, 2), "<f4"))), 400, "not conditional"),
    "no attributes": ("generate", drawn(CONDITIONAL, y=None), 400, "y is to be"),
    "attributes out of range": (
        "generate",
        drawn(CONDITIONAL, y=b64(np.full((COUNT, ATTRIBUTES), 2, "<f4"))),
        400,
        "from 0",
    ),
    "a picture where none encodes": (
        "encode",
        {"run": ADVERSARIAL, "snapshot": "last", "x": ""},
        400,
        "no encoder",
    ),
    "a picture of another size": ("encode", {"run": ENCODING, "snapshot": "last", "x": "AAAA"}, 400, "bytes"),
    "no picture": ("encode", {"run": ENCODING, "snapshot": "last"}, 400, "base64"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_wrong_request_is_refused_in_a_sentence(explorer: Explorer, case: str) -> None:
    path, content, expected, words = REFUSED[case]
    status, headers, answer = explorer.post(f"/api/{path}", content)
    assert (status, headers["content-type"]) == (expected, "application/json")
    assert words in error_of(answer)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"host": "evil.example"}, 403),
        ({"host": "127.0.0.1.evil.example"}, 403),
        ({"host": "192.168.0.7"}, 403),
        ({"host": "[::1"}, 403),
        ({"host": ""}, 403),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://127.0.0.1:1"}, 403),
        ({"sec_fetch_site": "cross-site"}, 403),
        ({"sec_fetch_site": "same-site"}, 403),
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/x-www-form-urlencoded"}, 415),
        ({"host": "localhost:9"}, 200),
        ({"host": "[::1]:80", "origin": "http://[::1]:80", "sec_fetch_site": "same-origin"}, 200),
        ({"content-type": "application/json; charset=utf-8"}, 200),
    ],
)
def test_only_our_own_page_may_ask(explorer: Explorer, headers: dict[str, str], expected: int) -> None:
    status, _, answer = explorer.post("/api/generate", drawn(), **headers)
    assert status == expected
    assert status == 200 or error_of(answer)


def test_a_page_of_another_name_cannot_read_a_file(explorer: Explorer) -> None:
    assert explorer.ask("GET", "/exhibit.json", host="evil.example")[0] == 403
    assert explorer.ask("GET", "/exhibit.json", host="LOCALHOST")[0] == 200


@pytest.mark.parametrize(
    "path", ["/../../etc/passwd", "/%2e%2e/recipe.toml", "//etc/passwd", f"/runs/{ENCODING}", "/%00"]
)
def test_only_files_of_the_site_are_served(explorer: Explorer, path: str) -> None:
    head = explorer.raw(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode("latin-1"))
    assert head.startswith((b"HTTP/1.1 404 ", b"HTTP/1.1 400 "))


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/exhibit.json"), ("PUT", "/index.html"), ("OPTIONS", "/api/encode")]
)
def test_another_method_is_refused_as_json(explorer: Explorer, method: str, path: str) -> None:
    status, headers, answer = explorer.ask(method, path)
    assert status == 405
    assert "access-control-allow-origin" not in headers
    assert error_of(answer)


def test_the_page_comes_with_a_policy_and_is_not_sent_twice(explorer: Explorer) -> None:
    status, headers, content = explorer.ask("GET", "/")
    assert (status, content) == (200, explorer.site.tree()["index.html"])
    assert "'unsafe-inline'" not in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "no-referrer")
    assert explorer.ask("GET", "/", if_none_match=headers["etag"])[::2] == (304, b"")
    assert explorer.ask("HEAD", "/")[::2] == (200, b"")


def test_a_report_is_served_without_scripts(trained_runs: dict[str, Run], run_of: RunOf) -> None:
    run = run_of(ADVERSARIAL)
    (run.path / "report").mkdir()
    (run.path / "report" / "report.html").write_text("<p>numbers</p>")
    explorer = Explorer(open_site([run.path]))
    _, headers, content = explorer.ask("GET", f"/{entry(explorer.site, ADVERSARIAL)['report']}")
    explorer.stop()
    assert content.endswith(b"<p>numbers</p>")
    assert headers["content-security-policy"].startswith("default-src 'none'; style-src 'unsafe-inline'")


def test_a_body_that_is_too_long_is_refused_before_it_is_read(explorer: Explorer) -> None:
    head = b"POST /api/generate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    assert explorer.raw(head + b"Content-Length: 99999999999\r\n\r\n").startswith(b"HTTP/1.1 413 ")
    pieces = (b"%x\r\n" % 50_000 + b" " * 50_000 + b"\r\n") * 2
    assert explorer.raw(head + b"Transfer-Encoding: chunked\r\n\r\n" + pieces).startswith(b"HTTP/1.1 413 ")


def test_a_body_that_does_not_arrive_is_given_up(explorer: Explorer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "BODY_SECONDS", 0.1)
    head = b"POST /api/generate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    assert explorer.raw(head + b"Content-Length: 9\r\n\r\n{").startswith(b"HTTP/1.1 408 ")


def test_impatient_tabs_do_not_pile_up_work(explorer: Explorer) -> None:
    go_on = threading.Event()
    held = [explorer.engine.submit(go_on.wait) for _ in range(1 + MOST_WAITING)]
    status, headers, answer = explorer.post("/api/generate", drawn())
    go_on.set()
    assert (status, headers["retry-after"]) == (503, "1")
    assert "busy" in error_of(answer)
    assert all(future.result() for future in held)
    assert explorer.post("/api/generate", drawn())[0] == 200


def test_no_request_writes_anything(explorer: Explorer, trained_runs: dict[str, Run]) -> None:
    folder = trained_runs[ENCODING].path.parent
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    for path in explorer.site.tree():
        assert explorer.ask("GET", f"/{path}")[0] == 200
    explorer.post("/api/generate", drawn())
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


# The command


@pytest.mark.parametrize(("stop", "host"), [(signal.SIGINT, "127.0.0.1"), (signal.SIGTERM, "0.0.0.0")])
def test_the_command_prints_its_address_and_stops_cleanly(
    trained_runs: dict[str, Run], stop: signal.Signals, host: str
) -> None:
    command = [
        sys.executable,
        "-m",
        "mien",
        "explore",
        str(trained_runs[ADVERSARIAL].path),
        "--no-browser",
        "--port",
        "0",
    ]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    listening = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # which a shell's background job does not
    with subprocess.Popen([*command, "--host", host], preexec_fn=listening, **pipes) as process:
        try:
            said = process.stdout.readline()
            if host == "0.0.0.0":
                assert "no password" in said
                said = process.stdout.readline()
            if host == "0.0.0.0":
                assert re.search(r", from elsewhere at http://(?!127\.|0\.)[\w.-]+:\d+/ ", said)
            port = int(re.search(r"http://127\.0\.0\.1:(\d+)/", said)[1])
            connection = http.client.HTTPConnection("127.0.0.1", port)  # held open, as a browser does
            connection.request("GET", "/exhibit.json")
            assert json.loads(connection.getresponse().read())["engine"] == "server"
            process.send_signal(stop)
            assert process.communicate(timeout=20) == ("stopped\n", "")
            connection.close()
        finally:
            process.kill()
    assert process.returncode == 0


def test_a_port_that_is_taken_is_said_in_words(
    trained_runs: dict[str, Run], capsys: pytest.CaptureFixture[str]
) -> None:
    with listen("127.0.0.1", 0) as taken:
        taken.listen()
        port = str(taken.getsockname()[1])
        assert main(["explore", str(trained_runs[ADVERSARIAL].path), "--no-browser", "--port", port]) == 2
    assert "cannot listen there" in capsys.readouterr().err


@pytest.mark.parametrize("port", ["99999", "65536", "-1"])
def test_a_port_that_there_is_not_is_refused_in_words(
    port: str, trained_runs: dict[str, Run], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explore", str(trained_runs[ADVERSARIAL].path), "--no-browser", "--port", port]) == 2
    assert f"--port {port}: a port is a number from 0 to 65535" in capsys.readouterr().err


def test_a_server_for_everybody_answers_to_the_names_of_its_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "desk.example.org")
    monkeypatch.setattr(socket, "getfqdn", lambda: "desk.example.org")
    assert {"desk.local", "desk.example.org", "desk"} <= app.names_of("0.0.0.0")
    assert "desk.local" not in app.names_of("127.0.0.1")


def test_what_is_no_run_is_said_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explore", str(tmp_path), "--no-browser"]) == 2
    assert "is not a run folder" in capsys.readouterr().err

"""Measurement: real processes, ratios to the first bundle, and no number for what was not run."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

import hopgraph
from hopgraph.bench import runtimes
from hopgraph.bench.bench import Order, bench
from hopgraph.bench.bench_table import bench_table
from hopgraph.bench.candidates import Candidate, candidates, require
from hopgraph.bench.compare import Plan, compare
from hopgraph.bench.energy import trace
from hopgraph.bench.measure import Effort, measure
from hopgraph.bench.report import render, shown
from hopgraph.bench.results import Comparison
from hopgraph.bench.table import comparison_table, timing_text
from hopgraph.bench.timing import Timing
from hopgraph.bench.variants import require_variants
from hopgraph.errors import HopgraphError
from hopgraph.export.exporter import find_runtime
from hopgraph.export.manifest import spec_of
from hopgraph.program.cost import cost_of
from hopgraph.runtime import Bundle
from hopgraph.runtime.cuda import device_count, library
from hopgraph.runtime.engine import TENSORRT
from hopgraph.train.data import Images
from hopgraph.train.recipe import Recipe
from hopgraph.train.run import Run
from hopgraph.train.tasks import choose_task, first_inputs
from tests.deploy.conftest import SMALL, VARIANTS


@pytest.fixture(scope="module")
def plan() -> Plan:
    """A whole comparison, small."""
    specs = {name: hopgraph.load("paramixer", f"{name},digits", SMALL) for name in VARIANTS}
    return Plan(specs, (0, 1), Recipe(epochs=1), ("onnx", "tensorrt"), "hopgraph compare paramixer")


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory, digits: Images, plan: Plan) -> tuple[Path, Comparison]:
    """What was found."""
    path = tmp_path_factory.mktemp("comparison") / "out"
    return path, compare(plan, digits, path)


def test_a_comparison_has_a_column_for_each_variant(comparison: tuple[Path, Comparison]) -> None:
    _, found = comparison
    table = comparison_table(found)
    assert table.columns == ("", *VARIANTS)
    rows = {row[0]: row[1:] for row in table.rows}
    assert rows["parameters"][0].endswith("(1.00x)")
    assert rows["certificate"] == ("small-step", "none", "none", "none")
    assert rows["weight asymmetry"][0] == "0.000"
    assert rows["asymmetry of du/dg"][0] == "0.000"
    assert set(rows["test accuracy, 95% interval"]) == {"too few seeds"}
    assert all(cell.endswith("(too few seeds)") for cell in rows["test accuracy, minus symmetric"][1:])
    assert all(re.fullmatch(r"0\.\d{3} \u00b1 0\.\d{3}", cell) for cell in rows["test accuracy"])
    assert all(re.fullmatch(r"[\d,]+ \(\d\.\d\dx\)", cell) for cell in (*rows["ONNX bytes"], *rows["engine bytes"]))
    for runtime in ("pytorch", "onnxruntime"):
        for batch in (1, 64):
            cells = rows[f"{runtime}, batch {batch}: latency"]
            assert cells[0].endswith("ms (1.00x)")
            assert all(re.fullmatch(r"\d+\.\d\d ms \((\d+\.\d\dx|no difference)\)", cell) for cell in cells)


def test_no_number_stands_for_an_engine_that_was_not_run(comparison: tuple[Path, Comparison]) -> None:
    _, found = comparison
    rows = {row[0]: row[1:] for row in comparison_table(found).rows}
    if "tensorrt: latency" not in rows:
        pytest.skip("this machine has a GPU")
    assert set(rows["tensorrt: latency"]) == {"built, not run: no GPU"}
    assert not any(timing.candidate.runtime == "tensorrt" for row in found.rows for timing in row.timings)


def test_a_comparison_writes_runs_bundles_results_and_a_report(comparison: tuple[Path, Comparison]) -> None:
    path, found = comparison
    assert sorted(item.name for item in path.iterdir()) == ["bundles", "report.html", "results.json", "runs"]
    assert len(list((path / "runs").iterdir())) == 8
    results = json.loads((path / "results.json").read_text())
    assert [row["variant"] for row in results["rows"]] == list(VARIANTS)
    for row in results["rows"]:
        assert {timing["candidate"]["bundle"] for timing in row["timings"]} == {f"bundles/{row['variant']}"}
    assert results["rows"][0]["test"] == list(found.rows[0].test)
    assert [item.name for item in path.parent.iterdir()] == ["out"]


def test_the_report_stands_alone(comparison: tuple[Path, Comparison], plan: Plan) -> None:
    path, found = comparison
    page = (path / "report.html").read_text()
    assert page == render(found, shown(found, plan.specs))
    assert page.count("<svg") == 6
    assert not re.search(r"""(src|href)=["']https?:""", page)
    assert "<script" not in page
    for cell in (cell for row in comparison_table(found).rows for cell in row):
        assert cell in page
    assert "the pull on `x` of synapse `token` is own" in page


def test_energy_traces_are_of_the_dynamics_only_where_all_is_tied(runs: dict[str, Run], digits: Images) -> None:
    traces = {name: trace(run.model, first_inputs(choose_task(run.spec, digits), run.spec, digits, 16)) for name, run in runs.items()}
    assert [name for name, found in traces.items() if found.descended] == ["symmetric"]
    assert traces["vanilla"].reason is not None
    for name in ("symmetric", "asymmetric", "broken"):
        assert [len(block) for block in traces[name].blocks] == [2, 2]
        assert all(block[0] == 0 for block in traces[name].blocks)
    assert all(block[1] < 0 for block in traces["symmetric"].blocks)


def test_candidates_are_all_runtimes_that_know_a_file(bundles: dict[str, Bundle]) -> None:
    found = candidates([bundles["broken"]])
    if TENSORRT.missing():
        assert [candidate.runtime for candidate in found] == ["pytorch", "onnxruntime", "tensorrt"]
    with pytest.raises(HopgraphError, match="runtime-unknown") as caught:
        candidates([bundles["broken"]], ["onnxrutime"])
    assert "rename it to `onnxruntime`" in str(caught.value)


def test_everything_is_listed_and_what_cannot_run_has_its_reason(bundles: dict[str, Bundle]) -> None:
    found = {item.runtime: item for item in candidates([bundles["broken"]], everything=True)}
    package = next(form.facts["package"] for form in bundles["broken"].manifest.forms if form.exporter == "tensorrt")
    engine = package.replace("_", "-")
    assert list(found) == ["pytorch", "pytorch-compiled", "onnxruntime", "onnxruntime-cuda", "onnxruntime-tensorrt", engine]
    assert found["onnxruntime"].reason is None
    if not device_count(library()):
        assert all(found[name].reason for name in ("onnxruntime-cuda", "onnxruntime-tensorrt", engine))
        with pytest.raises(HopgraphError, match=r"runtime-unavailable.*`onnxruntime-cuda` cannot run"):
            require([found["onnxruntime"], found["onnxruntime-cuda"]])


def test_an_engine_is_found_by_either_name(bundles: dict[str, Bundle]) -> None:
    assert [item.runtime for item in candidates([bundles["broken"]], ["tensorrt"])] == ["tensorrt"]
    with pytest.raises(HopgraphError, match="has no file that `triton-onnxruntime` can run"):
        candidates([bundles["broken"]], ["triton-onnxruntime"])


def test_eager_pytorch_is_the_exporters_own(bundles: dict[str, Bundle]) -> None:
    bundle = bundles["vanilla"]
    given = np.random.default_rng(0).standard_normal((3, *bundle.manifest.input.shape)).astype(np.float32)
    own, ours = (bundle.session(find(name))(given) for find in (find_runtime, runtimes.find) for name in ("pytorch",))
    assert np.array_equal(own, ours)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.torch.jit.script_method. is deprecated:DeprecationWarning")  # torch's own, where it compiles
@pytest.mark.skipif(runtimes.COMPILED.missing() is not None, reason=f"torch.compile cannot work here: {runtimes.COMPILED.missing()}")
def test_compiled_pytorch_computes_the_same(bundles: dict[str, Bundle]) -> None:
    bundle = bundles["vanilla"]
    given = np.random.default_rng(0).standard_normal((3, *bundle.manifest.input.shape)).astype(np.float32)
    own, fast = bundle.session(find_runtime("pytorch"))(given), bundle.session(runtimes.COMPILED)(given)
    assert np.allclose(own, fast, rtol=1e-5, atol=1e-5)


def test_a_bundle_against_its_own_graph(bundles: dict[str, Bundle]) -> None:
    bundle = bundles["symmetric"]
    order = Order((bundle.path,), ("onnxruntime",), (4,), 1, bundle.path / "model.onnx", Effort(1, 3, 0.001))
    found = bench(order)
    other, own = found.measured.timings
    assert (other.candidate.bundle, own.candidate.bundle) == (str(bundle.path / "model.onnx"), str(bundle.path))
    assert own.baseline == other.baseline == other.candidate
    assert all(0 < item.median <= item.p90 for item in (other, own))
    assert own.throughput == pytest.approx(4 / own.median)
    assert other.least is None
    assert own.least == found.limits["cpu"]["float32"].seconds(cost_of(spec_of(bundle.manifest).program), 4)
    record = json.loads(json.dumps(found.record()))
    assert record["machine"]["threads"] == "1"
    assert [item["of_the_limit"] is None for item in record["timings"]] == [True, False]
    assert len(bench_table(found.measured).rows) == 2


def test_a_worker_that_cannot_start_is_a_diagnostic(tmp_path: Path) -> None:
    lost = Candidate(str(tmp_path), "none", "onnxruntime", "float32")
    with pytest.raises(HopgraphError, match=r"runtime-unavailable.*is not a bundle"):
        measure([lost], (1,), required=True)


def test_a_ratio_whose_interval_holds_one_is_no_difference() -> None:
    candidate = Candidate("b", "v", "onnxruntime", "float32")
    assert timing_text(Timing(candidate, 1, 0.001, 0.002, 9, 1.1, 0.9, 1.3)) == "1.00 ms (no difference)"
    assert timing_text(Timing(candidate, 1, 0.001, 0.002, 9, 1.1, 1.05, 1.3)) == "1.00 ms (1.10x)"


def test_variants_to_compare_are_named_once() -> None:
    spec = hopgraph.load("paramixer")
    with pytest.raises(HopgraphError, match="stands twice"):
        require_variants(spec, ["broken", "broken"])
    with pytest.raises(HopgraphError, match="no variant to compare"):
        require_variants(spec, [])

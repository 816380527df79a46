"""Input that means harm, or none at all: every spec gives a result or a diagnostic, soon, and never another exception."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import hopgraph
from hopgraph.errors import HopgraphError, Source
from hopgraph.frontend.library import read, specs_root
from hopgraph.passes.pipeline import CheckedSpec, load
from tests.small import SPEC

SECONDS = 1.0
"""How long any input may take. The clock is the process's own, so that a loaded machine does no harm."""

SHIPPED = (specs_root() / "paramixer" / "paramixer.yaml").read_text(encoding="utf-8")


def codes(text: str, variant: str | None = None, settings: list[str] | None = None) -> set[str]:
    """The codes of what is wrong with a text; asserts that something is, and that it is found soon."""
    return refused(lambda: load(Source("spec.yaml", text), variant, settings))


def refused(attempt: Callable[[], object]) -> set[str]:
    start = time.process_time()
    with pytest.raises(HopgraphError) as raised:
        attempt()
    assert time.process_time() - start < SECONDS
    message = str(raised.value)
    message.encode("utf-8")  # it can be printed
    assert len(message) < 2_000_000
    return {diagnostic.code for diagnostic in raised.value.diagnostics}


def with_dim(text: str) -> str:
    return SPEC.replace("C: 8", f"C: {text}")


def doubling(levels: int) -> str:
    """A bomb: each line refers to the one before ten times."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, levels)]
    return "\n".join(lines) + "\n"


def many(count: int, line: str) -> str:
    return "\n".join(line.format(i) for i in range(count))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "yaml-syntax"),
        ("\n\n# nothing\n", "yaml-syntax"),
        ("---\n...\n", "bad-value"),
        ("null", "bad-value"),
        ("42", "bad-value"),
        ("[]", "bad-value"),
        ("{}", "missing-field"),
        ("\0", "yaml-syntax"),
        ("\x1b[31m", "yaml-syntax"),
        (bytes(range(256)).decode("latin-1") * 20, "yaml-syntax"),
        ("\ufeff\ufeff", "bad-value"),
        ("a: b\n" * 10_000, "yaml-duplicate"),
        ("a: b\n" * 2_000, "yaml-duplicate"),
        (many(2_000, "k{}: v"), "unknown-field"),
        (many(6_000, "k{}: v"), "yaml-limits"),
        ("x" * 99_000 + ": 1", "yaml-syntax"),
        ('"' + "x" * 1_000 + '": 1', "unknown-field"),
        ("x" * 2_000_000, "yaml-limits"),
        (doubling(9), "yaml-limits"),
        ("a: &a [*a]\n", "yaml-limits"),
        ("a: &a {b: *a}\n", "yaml-limits"),
        ("[" * 10_000, "yaml-limits"),
        ("[" * 10_000 + "]" * 10_000, "yaml-limits"),
        ("{a: " * 10_000, "yaml-limits"),
        ("\n".join(" " * i + "a:" for i in range(400)), "yaml-limits"),
        ("- " * 10_000, "yaml-limits"),
        ("? " * 10_000, "yaml-limits"),
        ("!!python/object/apply:os.system ['echo no']", "yaml-tag"),
        ("a: !!python/object/new:subprocess.Popen [[ls]]", "yaml-tag"),
        ("!!binary aGVsbG8=", "yaml-tag"),
        ('"\\UFFFFFFFF"', "yaml-syntax"),
        ('"\\uD800": 1', "yaml-syntax"),
        ("%YAML 1." + "9" * 6_000 + "\n---\na: 1", "yaml-syntax"),
        ("%TAG ! tag:evil,2024:\n---\n!x {}", "yaml-tag"),
        ("&a " * 3_000, "yaml-syntax"),
        ("'" * 50_001, "yaml-syntax"),
        ("|" + "9" * 5_000, "yaml-syntax"),
        ("a: " + "\u202e" * 100, "unknown-field"),
    ],
    ids=lambda value: repr(value[:24]),
)
def test_texts(text: str, code: str) -> None:
    assert code in codes(text)


@pytest.mark.parametrize(
    ("dim", "code"),
    [
        ("1000000000000000", "dim-value"),
        ("9" * 39, "dim-value"),
        ("9" * 5_000, "yaml-limits"),
        ("0x" + "f" * 20_000, "yaml-limits"),
        ("-0", "dim-value"),
        ("-99999999999999999999999999999999999999999999999", "yaml-limits"),
        ("1e400", "bad-value"),
        (".nan", "bad-value"),
        ("-.inf", "bad-value"),
        ("1 + " * 20_000 + "1", "dim-syntax"),
        ("1 + " * 250_000 + "1", "yaml-limits"),
        ("(" * 90 + "1" + ")" * 90, "dim-syntax"),
        ("(" * 10_000, "dim-syntax"),
        ("2^" * 90 + "2", "dim-value"),
        ("2^31^31^31", "dim-value"),
        ("(2^31)^31", "dim-value"),
        ("(1/3)^31 / 3^31", "dim-value"),
        ("1/" + "9" * 190, "dim-value"),
        ("C", "dim-cycle"),
        ("H", "dim-cycle"),
        ("__import__('os').system('ls')", "dim-syntax"),
        ("C.__class__", "dim-syntax"),
        ("[1, 2]", "bad-value"),
        ("{a: 1}", "bad-value"),
        ("true", "bad-value"),
        ("null", "bad-value"),
        ('"\\uff18"', "dim-syntax"),  # a digit of another script
        ("'²'", "dim-syntax"),
        ('"1\\n+\\t1\\0"', "dim-syntax"),
    ],
    ids=lambda value: repr(value[:24]),
)
def test_dims(dim: str, code: str) -> None:
    assert code in codes(with_dim(dim))


def test_long_chains_and_circles_of_dims() -> None:
    chain = ", ".join(["d0: 1", *(f"d{i}: d{i - 1}" for i in range(1, 1_500))])
    assert isinstance(load(Source("spec.yaml", SPEC.replace("C: 8", f"{chain}, C: 8 * d1499"))), CheckedSpec)
    circle = chain.replace("d0: 1", "d0: d1499")
    assert codes(SPEC.replace("C: 8", f"{circle}, C: 8")) == {"dim-cycle"}
    dense = ", ".join(f"e{i}: e{(i * 7 + 1) % 900} + e{(i * 11 + 3) % 900}" for i in range(900))
    assert codes(SPEC.replace("C: 8", f"{dense}, C: 8")) == {"dim-cycle"}


@pytest.mark.parametrize(
    ("step", "code"),
    [
        *((step, "bad-value") for step in (".nan", ".inf", "-.inf", "1e999", "0", "-1", "-0.0", "true", "[1]", "1e-400", "{}", "null")),
        *((step, "dim-unknown") for step in ("one", "null_", "nan", "C * D")),
        *((step, "dim-value") for step in ('"-0.5"', "C - 8", "1 / 0", "2^-99^99", "(0 - C)^0.5", "9^9^9^9")),
        *((step, "dim-syntax") for step in ('""', "0.5.5", "1 +", "C C", "1(C)", "0.1 +" * 50)),
    ],
)
def test_steps_that_are_no_positive_numbers(step: str, code: str) -> None:
    assert codes(SPEC, None, [f"block.update.step={step}"]) == {code}


@pytest.mark.parametrize(
    "setting",
    [
        "block.depth=1000000000",
        "block.depth=2147483647",
        "block.steps=2147483647",
        "dims.C=1000000000",
        "block.axes.n=2147483647",
        "input.image.1=2147483647",
        "block.axes.m=2147483647*100",
    ],
)
def test_models_that_are_too_large(setting: str) -> None:
    assert codes(SPEC, None, [setting]) <= {"too-large", "axes-mismatch", "operation-invalid", "dim-value"}


@pytest.mark.parametrize(("count", "code"), [(190, ""), (400, "yaml-limits")])
def test_a_block_with_very_many_parts(count: int, code: str) -> None:
    layers = many(count, "    h{0}: {{axes: [n, m], lagrangian: gelu, fast: true}}")
    synapses = many(count, "    s{0}: {{factors: {{h: h{0}, x: {{layer: x, through: [{{dense: {{c: m}}}}]}}}}}}")
    groups = ", ".join(f"[s{i}]" for i in range(count))
    text = (
        SPEC.replace("  synapses:", f"{layers}\n  synapses:\n{synapses}")
        + "variants:\n  split: {block.update.groups: [[channel], "
        + groups
        + "]}\n"
    )
    if code:
        assert codes(text, "split") == {code}
    else:
        assert load(Source("spec.yaml", text), "split").program.parameter_count > count


def test_a_block_with_more_parts_than_it_may_have() -> None:
    layers = many(250, "    h{0}: {{axes: [n, m], lagrangian: gelu, fast: true}}")
    assert codes(SPEC.replace("  synapses:", f"{layers}\n  synapses:")) == {"bad-value"}
    assert codes(SPEC.replace("[{dense: {c: m}}]", f"[{', '.join(['{dense: {c: c}}'] * 300)}]")) == {"bad-value"}
    assert codes(SPEC, None, [f"block.update.groups=[{', '.join(['[channel]'] * 250)}]"]) == {"bad-value"}


def test_a_chain_of_many_fast_layers_in_many_groups() -> None:
    count = 120
    layers = many(count, "    f{0}: {{axes: [n, m], lagrangian: relu, fast: true}}")
    first = "    a0: {factors: {f: f0, h: {layer: h, through: [{dense: {m: m}}]}}, symmetry: {h: off}}"
    chain = "\n".join(
        f"    a{i}: {{factors: {{f: f{i}, g: {{layer: f{i - 1}, through: [{{dense: {{m: m}}}}]}}}}, symmetry: {{g: off}}}}"
        for i in range(1, count)
    )
    back = "\n".join(
        f"    b{i}: {{factors: {{x: {{layer: x, through: [{{dense: {{c: m}}}}]}}, f: f{i}}}, symmetry: {{f: off}}}}" for i in range(60)
    )
    groups = ", ".join(["[channel]", *(f"[b{i}]" for i in range(60))])
    text = SPEC.replace("  synapses:", f"{layers}\n  synapses:\n{first}\n{chain}\n{back}").replace(
        "readout:", f"  update: {{groups: [{groups}]}}\nreadout:"
    )
    assert codes(text, None, ["block.depth=11"]) == {"too-large"}
    assert load(Source("spec.yaml", text)).certificate.verdict.value == "none"


def test_overlays_that_nest_ever_deeper() -> None:
    deep = "[" * 45 + "1" + "]" * 45
    path = ".".join(["cite", *["0"] * 44])
    entries = ", ".join(f"{path + '.0' * (44 * i)}: {deep}" for i in range(8))
    text = SPEC + f"variants:\n  deep: {{cite: {deep}, {entries}}}\n"
    assert codes(text, "deep") <= {"overlay-path", "bad-value", "yaml-limits"}
    assert codes(SPEC, None, [".".join(["a"] * 10_000) + "=1"]) == {"overlay-path"}


def test_names_that_are_very_long_or_very_strange() -> None:
    for name in ("x" * 50_000, '"a b"', '"a\\nimport os"', '"\\x1b[2J"', '""', "__class__", "self x", "名", '"#"'):
        for kind in ("    h: ", "channel: ", "m: H", "name: small"):
            key = kind.strip().partition(":")[0]
            found = codes(SPEC.replace(kind, kind.replace("small" if key == "name" else key, name)))
            assert found & {"name-invalid", "yaml-syntax"}, (name[:20], kind, found)


def test_a_name_cannot_leave_a_comment_of_the_generated_code() -> None:
    for place in ('{linear: {out: 10, axis: "c\\nimport os"}}', '{linear: {out: 10, axis: "c # d"}}'):
        assert codes(SPEC.replace("{linear: 10}", place)) == {"name-invalid"}
    assert "name-invalid" in codes(SPEC.replace("channels: C}", 'channels: C, axes: ["n\\nimport os", c]}'))


def test_very_many_mistakes() -> None:
    layers = many(190, "    y{0}: {{axes: [n, q{0}], lagrangian: gelo, fast: maybe, axess: 1}}")
    assert {"unknown-field", "bad-value", "axis-unknown"} <= codes(SPEC.replace("  synapses:", f"{layers}\n  synapses:"))
    wide = ", ".join(f"f{i}: {{layer: z{i}}}" for i in range(1_000))
    assert codes(SPEC.replace("{h: h,", f"{{h: h, {wide},")) == {"bad-value"}
    synapses = many(190, "    y{0}: {{factors: {{a: h{0}, b: x, c: {{layer: x, rename: {{n: m}}}}}}}}")
    assert codes(SPEC.replace("readout:", f"{synapses}\nreadout:")) == {"layer-unknown"}


# --- files --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "yaml-syntax"),
        (b"\xff\xfe\x00", "file-unreadable"),
        (b"name: \xe9", "file-unreadable"),
        (b"PK\x03\x04" + bytes(range(256)), "file-unreadable"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 100, "file-unreadable"),
        (b"\0" * 1000, "yaml-syntax"),
        (b"a: b\n" * 1_000_000, "yaml-limits"),
    ],
    ids=["empty", "utf-16", "latin-1", "zip", "png", "zeros", "5 MB"],
)
def test_files(tmp_path: Path, content: bytes, code: str) -> None:
    path = tmp_path / "spec.yaml"
    path.write_bytes(content)
    assert refused(lambda: hopgraph.load(path)) == {code}


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + SPEC.replace("\n", "\r\n").encode())
    assert hopgraph.load(path).name == "small"


def test_places_that_hold_no_spec(tmp_path: Path) -> None:
    folder = tmp_path / "folder.yaml"
    folder.mkdir()
    assert refused(lambda: hopgraph.load(folder)) == {"file-unreadable"}
    assert refused(lambda: hopgraph.load(tmp_path)) == {"file-unreadable"}
    assert refused(lambda: hopgraph.load(tmp_path / "none.yaml")) == {"file-missing"}
    assert refused(lambda: hopgraph.load(folder / "none" / "none.yaml")) == {"file-missing"}
    loop = tmp_path / "loop.yaml"
    loop.symlink_to(loop)
    assert refused(lambda: hopgraph.load(loop)) == {"file-unreadable"}
    with pytest.raises(HopgraphError, match="is a folder, not a spec"):
        hopgraph.load(folder)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs the endless file of Unix")
def test_an_endless_file_is_not_read_to_its_end() -> None:
    assert refused(lambda: hopgraph.load("/dev/zero")) == {"yaml-limits"}


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="needs a file that may not be read")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = tmp_path / "secret.yaml"
    path.write_text(SPEC, encoding="utf-8")
    path.chmod(0)
    assert refused(lambda: hopgraph.load(path)) == {"file-unreadable"}


@pytest.mark.parametrize(
    "name", ["", "paramixr", "x" * 5_000, "a\0b", "a\0b.yaml", "x" * 5_000 + ".yaml", "../../etc/passwd_", "\ud800", "~", "*"]
)
def test_names_of_specs(name: str) -> None:
    assert refused(lambda: hopgraph.load(name)) <= {"spec-unknown", "file-unreadable", "file-missing"}


def test_a_misspelt_name_gets_a_suggestion() -> None:
    with pytest.raises(HopgraphError, match="rename it to `paramixer`"):
        hopgraph.load("paramixr")


def test_a_folder_does_not_hide_a_shipped_spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "paramixer").mkdir()
    monkeypatch.chdir(tmp_path)
    assert read("paramixer").name == "specs/paramixer/paramixer.yaml"

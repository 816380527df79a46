"""`hopgraph show --format html`: whole, well-formed, with nothing from outside, safe against hostile texts, and alive in a browser."""

from __future__ import annotations

import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from html.parser import HTMLParser
from pathlib import Path

import pytest

from hopgraph import cli
from hopgraph.errors import Findings, Source
from hopgraph.frontend.library import shipped
from hopgraph.graph.certificate import Verdict
from hopgraph.lower.standalone import module_source
from hopgraph.passes import unroll
from hopgraph.passes.pipeline import CheckedSpec, load
from hopgraph.program.cost import cost_of
from hopgraph.show import svg
from hopgraph.show.catalogue import small_of
from hopgraph.show.facts import reason_lines
from hopgraph.show.flops import model_flops
from hopgraph.show.page.accounts import Sizes, identifier
from hopgraph.show.page.code import highlighted
from hopgraph.show.page.mathml import Group, mathml, pieces_of
from hopgraph.show.page.page import VERDICTS, page, policy
from tests.browser import DARK, browser, looked
from tests.laws.specs import check, random_spec, seeds
from tests.small import SPEC

VOID = {"meta", "wbr", "br", "img", "link", "input", "hr", "source", "base", "embed", "area", "col", "track"}
MATHML = {"math", "mi", "mn", "mo", "mtext", "mrow", "msub", "msup", "msubsup", "munder", "mover", "munderover"} | {
    *("mfrac", "msqrt", "mstyle", "mspace", "mpadded")
}
SHIPPED = sorted(shipped())


@dataclass
class Node:
    """An element of a page."""

    tag: str
    attributes: dict[str, str | None] = field(default_factory=dict[str, str | None])
    children: list[Node | str] = field(default_factory=list["Node | str"])

    def walk(self) -> Iterator[Node]:
        """This element and all below it."""
        yield self
        for child in self.children:
            if isinstance(child, Node):
                yield from child.walk()

    def all(self, tag: str) -> list[Node]:
        """Every element of that tag below."""
        return [node for node in self.walk() if node.tag == tag]

    @property
    def text(self) -> str:
        """All text below."""
        return "".join(child if isinstance(child, str) else child.text for child in self.children)

    def with_id(self, name: str) -> Node:
        """The element of that id."""
        return self.named[name]

    @cached_property
    def named(self) -> dict[str, Node]:
        """Every element with an id."""
        return {name: node for node in self.walk() if (name := node.attributes.get("id"))}


class Reader(HTMLParser):
    """Reads a page and refuses one whose elements do not close in order."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Node("")
        self.open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"<{tag}> has an attribute twice"
        node = Node(tag, dict(attrs))
        self.open[-1].children.append(node)
        if tag not in VOID:
            self.open.append(node)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open[-1].children.append(Node(tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop().tag == tag

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def read(text: str) -> Node:
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == [reader.root]
    return reader.root


def page_of(spec: CheckedSpec) -> str:
    return page(spec, module_source(spec))


@cache
def small(name: str) -> CheckedSpec:
    """A shipped spec at its size for a first look."""
    return load(name, small_of(load(name).variant_names))


@cache
def text_of(name: str) -> str:
    return page_of(small(name))


def anchors(spec: CheckedSpec) -> list[str]:
    """The id of every panel."""
    blocks = [(number, stage.block) for number, stage in enumerate(spec.ham.stages)]
    synapses = [identifier("synapse", number, synapse.name) for number, block in blocks for synapse in block.synapses]
    return synapses + [identifier("layer", number, layer.name) for number, block in blocks for layer in block.layers]


def assert_whole(text: str, spec: CheckedSpec) -> Node:
    """Everything that a page of a spec must have, and nothing that it must not."""
    root = read(text)
    ids = [name for node in root.walk() if (name := node.attributes.get("id"))]
    assert len(ids) == len(set(ids))
    assert set(anchors(spec)) <= set(ids)
    drawn = {node.attributes["href"] for picture in root.all("svg") for node in picture.all("a")}
    assert drawn == {f"#{anchor}" for anchor in anchors(spec)}
    assert_alone(root, ids)
    assert_mathematics(root, spec)
    assert root.with_id("code").all("pre")[0].text == module_source(spec)
    for number, certificate in enumerate(spec.certificates):
        told = " ".join(root.with_id("certificate").text.split())
        assert VERDICTS[certificate.verdict] in told
        for line in reason_lines(spec, certificate):
            reason, _, place = line.rpartition(" (")
            assert f"{reason.replace('`', '')} {place.removesuffix(')')}" in told, number
    return root


def assert_alone(root: Node, ids: list[str]) -> None:
    """No address but of the page's own parts, one script, and the policy that allows it."""
    for node in root.walk():
        assert node.tag not in (
            "img",
            "link",
            "iframe",
            "object",
            "embed",
            "base",
            "form",
            "audio",
            "video",
            "image",
            "use",
            "foreignobject",
        )
        assert not [name for name in node.attributes if name.startswith("on") or name in ("src", "srcset", "action", "xlink:href")]
        if href := node.attributes.get("href"):
            assert href.startswith("#")
            assert href[1:] in ids
    (script,) = root.all("script")
    (given,) = (node for node in root.all("meta") if node.attributes.get("http-equiv") == "Content-Security-Policy")
    assert given.attributes["content"] == policy(script.text)
    assert "default-src 'none'" in policy(script.text)
    for style in root.all("style"):
        assert not re.search(r"url\(|@import|</", style.text)


def assert_mathematics(root: Node, spec: CheckedSpec) -> None:
    """MathML in every panel, of elements that browsers know."""
    for anchor in anchors(spec):
        assert root.with_id(anchor).all("math"), anchor
    assert root.with_id("equations").all("math")
    assert {node.tag for math in root.all("math") for node in math.walk()} <= MATHML


# --- the whole page ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SHIPPED)
def test_the_page_of_a_shipped_spec_is_whole(name: str) -> None:
    spec = small(name)
    root = assert_whole(text_of(name), spec)
    assert spec.loaded.spec.cite is not None
    assert spec.loaded.spec.cite in root.text
    assert f"{spec.parameter_count:,}" in root.text


@pytest.mark.parametrize("seed", seeds(8, 60))
def test_the_page_of_a_random_spec_is_whole(seed: int) -> None:
    spec = check(random_spec(seed))
    text = page_of(spec)
    assert_whole(text, spec)
    assert text == page_of(check(random_spec(seed)))


def test_a_panel_tells_energy_pulls_shapes_and_parameters() -> None:
    root = read(text_of("paramixer"))
    told = " ".join(root.with_id("synapse-1-token").text.split())
    assert "x [n=16, c=64] through dense n→k, gives [k=32, c=64]" in told
    assert "tied on s: sets it" in told
    assert "tied on x: moves it" in told
    assert "token.x.dense.weight [k=32, n=16]512 × 4" in told  # noqa: RUF001 (times is meant)
    layer = " ".join(root.with_id("layer-1-x").text.split())
    assert "kindslow (tau = 1) axesn = 16, c = 64 numbers1,024 Lagrangianlayernorm over [n, c]" in layer


def test_every_stage_has_a_graph_and_equations() -> None:
    root = read(text_of("ffnet"))
    count = len(small("ffnet").ham.stages)
    assert count > 1
    assert all(root.with_id(f"graph-{number + 1}").all("svg") for number in range(count))
    titles = [node.text for node in root.with_id("equations").all("summary")]
    assert titles == [f"Stage {number + 1}" for number in range(count)]


def test_every_verdict_has_a_meaning() -> None:
    assert set(VERDICTS) == set(Verdict)


def test_without_the_script_every_panel_is_there_to_be_read() -> None:
    root = read(text_of("vit"))
    assert [node for node in root.walk() if "hidden" in node.attributes and node.tag != "svg"] == []


def test_the_command_writes_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "page.html"
    monkeypatch.setattr(sys, "argv", ["hopgraph", "show", "paramixer", "--variant", "digits", "--format", "html", "-o", str(out)])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
        raise SystemExit(0)
    assert not stopped.value.code
    assert out.read_text(encoding="utf-8") == page_of(load("paramixer", "digits"))


def test_a_check_imports_nothing_of_the_page() -> None:
    code = "import hopgraph.cli, sys; from hopgraph.show.facts import summary; summary(hopgraph.load('paramixer'))"
    code += "; print([name for name in sys.modules if name.split('.')[0] in ('jinja2', 'latex2mathml', 'torch')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# --- sizes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SHIPPED)
def test_the_parts_sum_to_the_whole(name: str) -> None:
    assert_summed(small(name))


@pytest.mark.parametrize("seed", seeds(15, 80))
def test_the_parts_of_a_random_spec_sum_to_the_whole(seed: int) -> None:
    assert_summed(check(random_spec(seed)))


def assert_summed(spec: CheckedSpec) -> None:
    """The parts have all operations of the program before any is fused, depth and steps written out, and all parameters."""
    written = unroll.run(spec.ham, Findings())
    parts = Sizes(spec).parts()
    assert sum(part.flops for part in parts) == model_flops(spec.ham).total == cost_of(written).flops
    assert sum(part.parameters for part in parts) == spec.parameter_count


def test_the_operations_of_a_pull_are_those_of_its_map() -> None:
    """A dense map of n to k over c takes 2 n k c, forth and back."""
    flops = model_flops(load("paramixer").ham).stages[0]
    assert flops.of_pull("token", "s") == flops.of_pull("token", "x") == 2 * 64 * 256 * 512
    assert flops.of_synapse("channel") == 2 * (2 * 512 * 2048 * 64)
    assert (flops.depth, flops.steps, flops.times) == (8, 1, 8)


# --- mathematics ------------------------------------------------------------------------------------------------------


def test_names_are_upright_words() -> None:
    given = ET.fromstring(mathml(r"u^{\name{a\_b}\to \name{x}}_{nc}"))  # noqa: S314 (our own text)
    assert [node.text for node in given.iter("mtext")] == ["a_b", "x"]
    assert [node.text for node in given.iter("mi")] == ["u", "n", "c"]


def test_signs_with_a_meaning_in_html_stay_escaped() -> None:
    assert "&#x0003C;" in mathml(r"0 \le i < 5")
    assert "≤" in mathml(r"0 \le i < 5")


def test_a_long_term_is_cut_around_its_parentheses_and_before_its_signs() -> None:
    long = r"b^{\name{attention.query}} + \sum_{c} W^{\name{attention.query}}_{c} \, g^{\name{x}}_{c}"
    pieces = pieces_of(rf"\sum_{{q}} g^{{\name{{a}}}} \, \bigl( {long} \bigr) \, \bigl( a + b \bigr)")
    assert len(pieces) == 3
    assert isinstance(pieces[1], Group)
    assert [str(piece).split()[0] for piece in pieces[1].pieces] == [r"b^{\name{attention.query}}", "{}"]
    assert r"\bigl( a + b \bigr)" in str(pieces[2])


@pytest.mark.parametrize("latex", [r"\frac{a + b}{c}", r"x_{i + 1}", "a", r"\bigl( a + b \bigr) \, c"])
def test_what_is_short_or_in_braces_is_one_piece(latex: str) -> None:
    assert pieces_of(latex) == [latex]


@pytest.mark.parametrize(
    "source", ["", "x = 1\n", "# <b>\n", 'def f():\n    """A <script> & more.\n\n    Lines."""\n    return "<" + \'>\'\n']
)
def test_marks_leave_the_code_as_it_is(source: str) -> None:
    root = read(str(highlighted(source)))
    assert root.text == source
    assert {node.tag for node in root.walk()} <= {"", "span"}


# --- hostile texts ----------------------------------------------------------------------------------------------------

EVIL = "</style></script><script>alert(1)</script><img src=x onerror=alert(1)>\"'><svg onload=alert(1)>&lt;{{ 7 * 7 }}]]><!--"


def hostile() -> CheckedSpec:
    """A spec whose every free text tries to leave its place."""
    text = SPEC.replace("name: small", f"name: small  # {EVIL}")
    return load(Source(f"{EVIL}.yaml", text), overrides=[f"cite={yaml_text(EVIL)}"])


def yaml_text(text: str) -> str:
    """A text as YAML in double quotes."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def test_hostile_texts_are_shown_and_do_nothing() -> None:
    spec = hostile()
    root = assert_whole(page_of(spec), spec)
    (cite,) = (node for node in root.walk() if node.attributes.get("class") == "cite")
    assert cite.text == EVIL
    assert f"{EVIL}.yaml" in root.with_id("certificate").text
    assert next(node.text for node in root.all("code")) == f"cite={yaml_text(EVIL)}"


def test_the_graph_escapes_what_it_is_given() -> None:
    assert "<script>" not in svg.element("a", svg.text(EVIL, 0, 0), aria_label=EVIL)


# --- colours ----------------------------------------------------------------------------------------------------------


def colours(style: str) -> list[dict[str, str]]:
    """The colours by name, light and dark, of the page's style and the graph's together."""
    light, _, dark = style.partition("prefers-color-scheme: dark")
    rest = re.split(r"\}\s*\}", dark, maxsplit=1)
    known = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", light))
    return [known, known | dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", rest[0]))]


def luminance(colour: str) -> float:
    """The relative luminance of WCAG 2."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """From 1 to 21; WCAG 2 asks 4.5 of text, and 3 of graphics."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_all_text_is_readable_in_light_and_in_dark() -> None:
    style = (Path(svg.__file__).parent / "page" / "page.css").read_text(encoding="utf-8")
    for known in colours(style):
        for ink in ("ink", "soft", "accent", "own", "penalized", "good"):
            assert min(contrast(known[ink], known[ground]) for ground in ("paper", "card")) >= 4.5, (ink, known)
    for known in colours(svg.STYLE):
        assert (
            min(contrast(known[ink], known[ground]) for ink in ("ink", "soft") for ground in ("paper", "panel", "slow", "fast", "clamped"))
            >= 4.5
        )
        assert min(contrast(known[line], known["panel"]) for line in ("tied", "own", "penalized", "slow-edge", "clamped-edge")) >= 3


# --- in a browser -----------------------------------------------------------------------------------------------------

needs_browser = pytest.mark.skipif(browser() is None, reason="there is no Chromium or Chrome")
WIDTHS = (320, 400, 768, 1600)


def assert_alive(text: str, spec: CheckedSpec, folder: Path, *flags: str) -> list[str]:
    """No console line, no page wider than its window, and each click shows that panel alone. Gives the colours behind the text."""
    path = folder / "page.html"
    path.write_text(text, encoding="utf-8")
    found, console = looked(path, WIDTHS, folder, *flags)
    assert console == []
    assert len(found) == len(WIDTHS)
    for width, frame in zip(WIDTHS, found, strict=True):
        assert frame["width"] == width
        assert frame["scroll"] <= width
        assert frame["wide"] == []
        assert frame["first"] == anchors(spec)[:1]
        assert {click["to"] for click in frame["clicks"]} == set(anchors(spec))
        for click in frame["clicks"]:
            assert click["shown"] == click["current"] == [click["to"]]
            assert click["hash"] == f"#{click['to']}"
            assert click["scroll"] <= width
            assert click["to"].split("-", 2)[2] in click["text"]
    return [frame["paper"] for frame in found]


@needs_browser
def test_the_clicks_work_in_a_browser(tmp_path: Path) -> None:
    assert_alive(text_of("paramixer"), small("paramixer"), tmp_path)


@needs_browser
@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in SHIPPED if name != "paramixer"])
def test_the_page_of_every_shipped_spec_lives_in_a_browser(name: str, tmp_path: Path) -> None:
    light = assert_alive(text_of(name), small(name), tmp_path, "--blink-settings=preferredColorScheme=1")
    dark = assert_alive(text_of(name), small(name), tmp_path, DARK)
    assert set(light) == {"rgb(255, 255, 255)"}
    assert set(dark) == {"rgb(16, 21, 29)"}


@needs_browser
def test_hostile_texts_do_nothing_in_a_browser(tmp_path: Path) -> None:
    spec = hostile()
    assert_alive(page_of(spec), spec, tmp_path)


@needs_browser
def test_the_browser_tells_what_goes_wrong(tmp_path: Path) -> None:
    """A page that loads something and has another script: the policy refuses both, and the console says so."""
    broken = text_of("paramixer").replace("</main>", '</main><img src="x.png" alt=""><script>alert(1)</script>', 1)
    path = tmp_path / "page.html"
    path.write_text(broken, encoding="utf-8")
    _, console = looked(path, (400,), tmp_path)
    assert len([line for line in console if "Content Security Policy" in line]) == 2

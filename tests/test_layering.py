"""The order of imports is the order of the data: a module may import from its own package and from earlier ones."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import networkx as nx
import pytest

ROOT = Path(__file__).resolve().parents[1]
ORDER = [
    "version",
    "allocator",
    "host",
    "runtime",
    "errors",
    "explain",
    "files",
    "energy",
    "frontend",
    "graph",
    "program",
    "passes",
    "show",
    "new",
    "lower",
    "train",
    "export",
    "serve",
    "bench",
    "recall",
    "doctor",
    "console",
    "commands",
    "cli",
    "__main__",
]
RUNTIME = "hopgraph.runtime"
"""The package that is shipped a second time under another name: it imports itself relatively, and none of the others."""
HEAVY = ["torch", "numpy", "onnx", "onnx_ir", "onnxruntime", "sklearn", "matplotlib", "lightning_fabric", "safetensors"]


@dataclass(frozen=True)
class Import:
    """One import: the module that has it, the module that it names, its line, and whether it runs when the module is loaded."""

    module: str
    target: str
    line: int
    at_load: bool

    def __str__(self) -> str:
        return f"{self.module}:{self.line} imports {self.target}"


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_name(path): path for package in ("hopgraph", "exporters") for path in sorted((ROOT / package).rglob("*.py"))}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in FILES.items()}


def imports_in(module: str, node: ast.AST, at_load: bool = True) -> Iterator[Import]:
    """The imports of our own modules under a node; those under TYPE_CHECKING never run."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(module, alias.name, child.lineno, at_load) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            relative = module.startswith(RUNTIME) and not child.level
            assert not (child.level and not module.startswith(RUNTIME)), f"{module}:{child.lineno} is a relative import"
            assert not (relative and str(child.module).startswith(("hopgraph", "exporters"))), f"{module}:{child.lineno} is not relative"
            source = f"{RUNTIME}.{child.module}" if child.level else str(child.module)
            for alias in child.names:
                inner = f"{source}.{alias.name}"
                yield Import(module, inner if inner in FILES else source, child.lineno, at_load)
        elif isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING":
            yield from imports_in(module, ast.Module(child.orelse, []), at_load)
        else:
            inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from imports_in(module, child, at_load and not inside)


IMPORTS = [found for name, tree in TREES.items() for found in imports_in(name, tree) if found.target in FILES]


def rank(module: str) -> int:
    """The place of a module's package in the order. The package's door comes last, and exporters after `export`."""
    package, *rest = module.split(".")
    if package == "exporters":
        return ORDER.index("export")
    return ORDER.index(rest[0]) if rest else len(ORDER)


def test_every_module_has_its_place_in_the_order() -> None:
    assert {name.split(".")[1] for name in FILES if name.startswith("hopgraph.")} <= set(ORDER)


def test_imports_follow_the_order() -> None:
    door = "hopgraph"  # it holds the version, and imports the rest inside its functions
    wrong = [str(found) for found in IMPORTS if found.target != door and rank(found.target) > rank(found.module)]
    assert wrong == []


def test_the_package_never_imports_an_exporter() -> None:
    named = [str(found) for found in IMPORTS if found.module.startswith("hopgraph") and found.target.startswith("exporters")]
    texts = [
        f"{name}:{node.lineno}"
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if name.startswith("hopgraph") and isinstance(node, ast.Constant) and str(node.value).startswith("exporters.")
    ]
    assert named + texts == []


def test_no_modules_import_each_other_when_they_are_loaded() -> None:
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_edges_from((found.module, found.target) for found in IMPORTS if found.at_load)
    circles = [sorted(members) for members in nx.strongly_connected_components(graph) if len(members) > 1]
    assert circles == []
    assert list(nx.selfloop_edges(graph)) == []


@pytest.mark.parametrize(
    "code",
    [
        "import hopgraph; hopgraph.load('paramixer')",
        "import hopgraph; hopgraph.load('paramixer', 'vanilla,digits', {'block.steps': 2})",
        "import hopgraph.cli",
        "from hopgraph.train.recipe import read_recipe; read_recipe('paramixer-cifar10', ['epochs=50'])",
    ],
)
def test_checking_a_spec_imports_nothing_heavy(code: str) -> None:
    code += f"; import json, sys; print(json.dumps([name for name in {HEAVY} if name in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert json.loads(done.stdout) == []


def test_the_check_sees_imports_in_functions_and_passes_over_those_for_types() -> None:
    text = """
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    import hopgraph.bench
else:
    import hopgraph.errors
def f():
    from hopgraph.train import loop
"""
    found = [item for item in imports_in("hopgraph.energy.maps", ast.parse(text)) if item.target in FILES]
    assert [(item.target, item.at_load) for item in found] == [("hopgraph.errors", True), ("hopgraph.train.loop", False)]
    assert [rank(item.target) > rank(item.module) for item in found] == [False, True]

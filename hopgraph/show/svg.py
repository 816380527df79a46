"""A writer of SVG elements, and the measures and colours of the pictures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

FONT, SMALL = 13.0, 11.0
"""The two sizes of text."""
ADVANCE = 0.61
"""The width of a sign over the size, in the monospaced fonts that are asked for."""
INDENT = "\N{NO-BREAK SPACE}" * 2
"""What a text's later lines start with: SVG would drop plain spaces."""
LINE = 1.35
"""The height of a line over the size."""

STYLE = """
svg { --paper: #ffffff; --ink: #1c2430; --soft: #5c6675; --rule: #c9d1dc; --panel: #f7f9fc;
  --slow: #e3ecff; --slow-edge: #2557c7; --fast: #ffffff; --fast-edge: #7a8597; --clamped: #f1eefb; --clamped-edge: #6f52c4;
  --tied: #2b3442; --own: #d0364f; --penalized: #b86e00; color-scheme: light dark; }
@media (prefers-color-scheme: dark) { svg { --paper: #10151d; --ink: #e8edf5; --soft: #9fabbd; --rule: #364152; --panel: #171e29;
  --slow: #1b2f5c; --slow-edge: #7ea6ff; --fast: #10151d; --fast-edge: #8793a6; --clamped: #2a2346; --clamped-edge: #b09bf5;
  --tied: #d5dce8; --own: #ff7387; --penalized: #f0ad4e; } }
text { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: var(--ink); }
.small { font-size: 11px; fill: var(--soft); } .plain { font-size: 13px; } .bold { font-size: 13px; font-weight: 700; }
.paper { fill: var(--paper); } .panel { fill: var(--panel); stroke: var(--rule); } .end { fill: var(--paper); stroke: var(--rule); }
.layer { stroke-width: 1.2; } .slow { fill: var(--slow); stroke: var(--slow-edge); stroke-width: 2.4; }
.fast { fill: var(--fast); stroke: var(--fast-edge); }
.clamped { fill: var(--clamped); stroke: var(--clamped-edge); stroke-width: 2.4; stroke-dasharray: 6 3; }
.synapse { fill: var(--panel); stroke: none; } .product { fill: var(--panel); stroke: var(--rule); stroke-width: 1.2; }
.line { fill: none; stroke-width: 1.6; } .tied { stroke: var(--tied); } .own { stroke: var(--own); } .off { stroke: var(--tied); }
.penalized { stroke: var(--penalized); stroke-dasharray: 5 3.5; }
.flow { stroke: var(--soft); } .loop { stroke: var(--soft); stroke-width: 1.2; }
.head-tied { fill: var(--tied); } .head-own { fill: var(--own); }
.head-penalized { fill: var(--penalized); } .head-flow { fill: var(--soft); }
""".strip()


@dataclass(frozen=True)
class Box:
    """A rectangle by its centre."""

    x: float
    y: float
    width: float
    height: float

    @property
    def left(self) -> float:
        """The left edge."""
        return self.x - self.width / 2

    @property
    def right(self) -> float:
        """The right edge."""
        return self.x + self.width / 2

    @property
    def top(self) -> float:
        """The upper edge."""
        return self.y - self.height / 2

    @property
    def bottom(self) -> float:
        """The lower edge."""
        return self.y + self.height / 2

    def moved(self, across: float, down: float) -> Box:
        """The rectangle elsewhere."""
        return Box(self.x + across, self.y + down, self.width, self.height)


def width_of(text: str, size: float) -> float:
    """How wide a text is, by estimate."""
    return len(text) * size * ADVANCE


def number(value: float) -> str:
    """A coordinate, to a tenth."""
    return f"{value:.1f}".removesuffix(".0")


def element(name: str, *children: str, **attributes: str | float) -> str:
    """An element; `class_` is the attribute class, and an underscore elsewhere a hyphen."""
    given = {key.rstrip("_").replace("_", "-"): value for key, value in attributes.items()}
    written = "".join(f" {key}={quoteattr(value if isinstance(value, str) else number(value))}" for key, value in given.items())
    return f"<{name}{written}>{''.join(children)}</{name}>" if children else f"<{name}{written}/>"


def text(words: str, x: float, y: float, kind: str = "plain", anchor: str = "middle") -> str:
    """A line of text whose middle is at height y."""
    size = SMALL if kind == "small" else FONT
    return element("text", escape(words), x=x, y=y + 0.35 * size, class_=kind, text_anchor=anchor)


def rectangle(box: Box, kind: str, radius: float = 6, **attributes: str | float) -> str:
    """A rectangle."""
    return element("rect", x=box.left, y=box.top, width=box.width, height=box.height, rx=radius, class_=kind, **attributes)


def lines(words: Sequence[tuple[str, str]], box: Box) -> list[str]:
    """Lines of text, each with its kind, in the middle of a box."""
    heights = [line_height(kind) for _, kind in words]
    y = box.y - sum(heights) / 2
    found: list[str] = []
    for (line, kind), height in zip(words, heights, strict=True):
        found.append(text(line, box.x, y + height / 2, kind))
        y += height
    return found


def line_height(kind: str) -> float:
    """The height of a line of that kind."""
    return LINE * (SMALL if kind == "small" else FONT)


def extent(words: Iterable[tuple[str, str]]) -> tuple[float, float]:
    """The width and the height of lines of text."""
    known = list(words)
    width = max((width_of(line, SMALL if kind == "small" else FONT) for line, kind in known), default=0.0)
    return width, sum(line_height(kind) for _, kind in known)


def head(x: float, y: float, direction: tuple[float, float], kind: str) -> str:
    """An arrow head whose point is at (x, y)."""
    across, down = direction
    back_x, back_y = x - 8 * across, y - 8 * down
    points = [(x, y), (back_x - 4 * down, back_y + 4 * across), (back_x + 4 * down, back_y - 4 * across)]
    return element("polygon", points=" ".join(f"{number(px)},{number(py)}" for px, py in points), class_=f"head-{kind}")


def document(width: float, height: float, title: str, parts: Iterable[str]) -> str:
    """A whole SVG file."""
    paper = element("rect", width=width, height=height, class_="paper")
    inside = ["\n" + part for part in (element("title", escape(title)), element("style", escape(STYLE)), paper, *parts)]
    size = f"0 0 {number(width)} {number(height)}"
    return element("svg", *inside, "\n", xmlns="http://www.w3.org/2000/svg", viewBox=size, width=width, height=height, role="img") + "\n"

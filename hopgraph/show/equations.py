"""The energy and the update equations of a spec, as a document: derived from the graph, not from what is compiled."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from hopgraph.graph.certificate import Certificate
from hopgraph.graph.ham import Block, Layer, Pull, Synapse
from hopgraph.passes.pipeline import CheckedSpec
from hopgraph.show.document import Document, Equation, Equations, Item, Items, Paragraph, Prose, Section
from hopgraph.show.expression import (
    Equal,
    Expression,
    Inside,
    Kept,
    Limited,
    Symbol,
    Variable,
    Written,
    index,
    named,
    total,
    walk,
)
from hopgraph.show.facts import end_text, listed, pull_text, reason_lines, sizes, title
from hopgraph.show.indices import Scope
from hopgraph.show.lagrangians import layer_items
from hopgraph.show.synapses import SynapseWriter, pull_label
from hopgraph.show.updates import circle_items, group_items, start_items


def equations(spec: CheckedSpec) -> Document:
    """The document of a spec."""
    ham = spec.ham
    several = len(ham.stages) > 1
    sections: list[Section] = []
    for number, (stage, certificate) in enumerate(zip(ham.stages, spec.certificates, strict=True)):
        if several:
            down = [(f"{end_text(end)}",) for end in stage.down]
            before: tuple[Item, ...] = (Paragraph(("Before the block:",)), Items(tuple(down))) if down else ()
            sections.append(Section(f"Stage {number + 1}", before, level=1))
        sections += _block(stage.block, certificate, reason_lines(spec, certificate))
    return Document(title(spec), tuple(_subtitle(spec)), tuple(sections))


def _subtitle(spec: CheckedSpec) -> list[Prose]:
    ham = spec.ham
    lines: list[Prose] = [(f"Input {sizes(ham.input.axes)}, output {sizes(ham.output)}; {spec.parameter_count:,} parameters.",)]
    for part, ends in (("Encoder", ham.encoder), ("Readout", ham.readout)):
        lines += [(f"{part}: " + "; ".join(end_text(end) for end in ends) + ".",)] if ends else []
    return lines


def _block(block: Block, certificate: Certificate, reasons: list[str]) -> list[Section]:
    writer = BlockWriter(block)
    return [
        Section("Layers", tuple(writer.layers())),
        Section("Energy", tuple(writer.energy(certificate))),
        Section("Pulls", tuple(writer.pulls())),
        Section("Update", tuple(writer.update())),
        Section("Certificate", _certificate(certificate, reasons)),
    ]


def _certificate(certificate: Certificate, reasons: list[str]) -> tuple[Item, ...]:
    about = f", of {certificate.energy}" if certificate.has_energy else ""
    lines: list[Item] = [Paragraph((f"{certificate}{about}.",))]
    return (*lines, Items(tuple((line,) for line in reasons))) if reasons else tuple(lines)


class BlockWriter:
    """Writes the parts of one block."""

    def __init__(self, block: Block) -> None:
        self.block = block
        self.scope = Scope(block.axes)
        self.free = {layer.name: tuple(self.scope.fresh(axis) for axis in layer.axes) for layer in block.layers}

    def writer(self, synapse: Synapse) -> SynapseWriter:
        """The writer of one synapse."""
        return SynapseWriter(self.block, synapse, self.scope)

    def indexed(self, letter: str, layer: Layer, label: str = "") -> Symbol:
        """A tensor on a layer's axes, at the layer's own indices."""
        return Symbol(letter, label or layer.name, tuple(index(variable) for variable in self.free[layer.name]))

    # --- layers ---

    def layers(self) -> list[Item]:
        """Each layer, its Lagrangian and its activation."""
        return [item for layer in self.block.layers for item in layer_items(layer, self.block, self.free[layer.name])]

    # --- energy ---

    def energy(self, certificate: Certificate) -> list[Item]:
        """E, and E_s of every synapse."""
        names = [layer.name for layer in self.block.layers]
        terms = [Symbol("E", synapse.name) for synapse in self.block.synapses]
        fields: Expression = Written(
            f"Σ_{{l ∈ {{{', '.join(names)}}}}} (⟨x_l, g_l⟩ − L_l(x_l))",  # noqa: RUF001 (a minus is meant)
            r"\sum_{l \in \{" + ", ".join(_roman(name) for name in names) + r"\}} \bigl( \langle x^l, g^l \rangle - L^l(x^l) \bigr)",
        )
        whole = Equation((Symbol("E"), total(fields, *terms)))
        rows = [Equation((Symbol("E", synapse.name), self.synapse_energy(synapse))) for synapse in self.block.synapses]
        return [Paragraph(_condition(certificate)), Equations((whole, *rows))]

    def synapse_energy(self, synapse: Synapse) -> Expression:
        """E_s of a synapse, its indices named."""
        return named(self.writer(synapse).energy())

    # --- pulls ---

    def pulls(self) -> list[Item]:
        """Every pull, by the layer that it acts on; then the pulls that are absent."""
        items: list[Item] = []
        for layer in self.block.layers:
            rows = [self.pull_row(synapse, pull, layer) for synapse, pull in self.block.pulls_on(layer.name)]
            if rows:
                items += [Paragraph((f"On {layer.name}:",)), Equations((*rows, *self.fast_row(layer)))]
        remarks = self.remarks(self.block.synapses)
        return [*items, *([Items(tuple(remarks))] if remarks else [])]

    def remarks(self, synapses: Sequence[Synapse]) -> list[Prose]:
        """What the equations of some synapses leave to be said."""
        absent: list[Prose] = [(f"{pull_label(synapse, pull)} is off: the pull is absent.",) for synapse, pull in _off(synapses)]
        return absent + self.notes(synapses)

    def notes(self, synapses: Sequence[Synapse]) -> list[Prose]:
        """The losses of penalized pulls, and what signs mean."""
        losses = [_loss(synapse, pull) for synapse in synapses for pull in synapse.pulls if pull.penalty is not None]
        return losses + _notes(item for synapse in synapses for item in self._inside(synapse))

    def _inside(self, synapse: Synapse) -> Iterator[Expression]:
        """All that stands in the equations of a synapse."""
        yield from walk(self.synapse_energy(synapse))
        for pull in synapse.pulls:
            if pull.symmetry != "off":
                yield from walk(self.pull(synapse, pull))

    def pull_row(self, synapse: Synapse, pull: Pull, layer: Layer) -> Equation:
        """A pull, with its symmetry as a remark."""
        left = self.indexed("u", layer, pull_label(synapse, pull))
        note = pull_text(pull) if len(synapse.factors) > 1 else "external field"
        return Equation((left, self.pull(synapse, pull)), note)

    def pull(self, synapse: Synapse, pull: Pull) -> Expression:
        """-dE_s/dg on one factor, at its layer's own indices."""
        free = self.free[synapse.factor(pull.factor).layer]
        return named(self.writer(synapse).pull(pull, free), free)

    def fast_row(self, layer: Layer) -> list[Equation]:
        """X = u of a fast layer."""
        if not layer.fast:
            return []
        pulls = [(synapse.name, pull.factor) for synapse, pull in self.block.pulls_on(layer.name)]
        return [Equation((self.indexed("x", layer), self.sum_of_pulls(layer, pulls)))]

    def sum_of_pulls(self, layer: Layer, pulls: Iterable[tuple[str, str]]) -> Expression:
        """The sum of some pulls on a layer, by name."""
        chosen = [(self.block.synapse(synapse), factor) for synapse, factor in pulls]
        return total(*(self.indexed("u", layer, pull_label(synapse, synapse.pull(factor))) for synapse, factor in chosen))

    # --- update ---

    def update(self) -> list[Item]:
        """How the slow layers start and move, group by group; circles; steps and depth."""
        block = self.block
        items: list[Item] = [*start_items(self), *circle_items(self)]
        if len(block.schedule) > 1:
            items.append(Paragraph((f"The {len(block.schedule)} groups act one after the other.",)))
        for number in range(len(block.schedule)):
            items += group_items(self, number)
        return [*items, Paragraph((_repetition(block),))]


def _repetition(block: Block) -> str:
    times = f"{block.steps} times with the same weights" if block.steps > 1 else "once"
    text = f"The update is applied {times}"
    text += f", and the block is repeated {block.depth} times, each with new weights" if block.depth > 1 else ""
    clamped = [layer.name for layer in block.slow if layer.clamped]
    if clamped:
        text += f". What stays as it started: {listed(clamped)}"
    return f"{text}. {block.exit} goes on."


def _roman(name: str) -> str:
    return r"\name{" + name.replace("_", r"\_") + "}"


def _condition(certificate: Certificate) -> Prose:
    if certificate.has_energy:
        return ("Every pull is the negative gradient of one energy:",)
    text = "No energy has all these pulls (see the certificate). For reference, the energy of the base weights, "
    return (f"{text}of which every tied pull is the negative gradient:",)


def _off(synapses: Sequence[Synapse]) -> list[tuple[Synapse, Pull]]:
    return [(synapse, pull) for synapse in synapses for pull in synapse.pulls if pull.symmetry == "off"]


def _loss(synapse: Synapse, pull: Pull) -> Prose:
    penalty = pull.penalty
    assert penalty is not None
    departure = Written(f"λ ‖V_{synapse.name}‖²", rf"\lambda \lVert V^{{{_roman(synapse.name)}}} \rVert^2")
    head = f"{pull_label(synapse, pull)}: the training loss has "
    return (head, departure, f", lambda {penalty}; V is its departure from the base weights.")


def _notes(expressions: Iterable[Expression]) -> list[Prose]:
    """What signs in the equations mean that are not in every paper."""
    inside = list(expressions)
    notes: list[Prose] = []
    for limit in dict.fromkeys(item.limit for item in inside if isinstance(item, Limited)):
        bar = Written("⟦W⟧", r"\overline{W}")
        whole = Written(f"W / max(1, s / {limit:g})", rf"W / \max(1, s / {limit:g})")
        notes.append((bar, " is ", whole, ", s the greatest singular value of W."))
    if any(isinstance(item, Symbol) and any(item.first) for item in inside):
        notes.append(("t holds one number for each difference of two places.",))
    if any(isinstance(item, Kept | Inside | Equal) for item in inside):
        notes.append(("A condition in square brackets is 1 where it holds; elsewhere all that it multiplies is 0.",))
    if any(isinstance(variable, Variable) and variable.offset for item in inside for variable in getattr(item, "over", ())):
        notes.append(("A δ runs over the places of a window, from 0; beyond its range a tensor is 0.",))
    return notes

"""The template of the report: one page that needs nothing from outside."""

STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #57606a; --line: #d0d7de; --paper: #ffffff; --card: #f6f8fa; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --soft: #9aa4af; --line: #30363d; --paper: #0d1117; --card: #161b22; }
  figure svg { filter: invert(0.9) hue-rotate(180deg); }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1rem 4rem; max-width: 76rem; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 0.3rem; } h2 { font-size: 1.15rem; margin: 2.4rem 0 0.6rem; }
p, li { max-width: 46rem; } .soft { color: var(--soft); }
.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: 6px; }
table { border-collapse: collapse; width: 100%; font-size: 0.86rem; font-variant-numeric: tabular-nums; }
th, td { padding: 0.5rem 0.7rem; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); min-width: 6.5rem; }
tbody tr:last-child td { border-bottom: 0; } th { background: var(--card); font-weight: 600; } td:first-child { font-weight: 600; }
figure { margin: 0; } figure svg { width: 100%; height: auto; display: block; }
.plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(26rem, 100%), 1fr)); gap: 1.2rem; }
code, pre { background: var(--card); border-radius: 4px; font-size: 0.88em; }
code { padding: 0.1em 0.35em; overflow-wrap: anywhere; } pre { padding: 0.8rem 1rem; overflow-x: auto; line-height: 1.4; }
details { margin: 0.5rem 0; } summary { cursor: pointer; font-weight: 600; } details img { max-width: 100%; height: auto; }
"""

TEMPLATE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ c.spec }} on {{ c.data }}: {{ c.rows | map(attribute="variant") | join(", ") }}</title>
<style>{{ style }}</style>
</head>
<body>
<h1>{{ c.spec }} on {{ c.data }}</h1>
<p class="soft">{% if c.cite %}{{ c.cite }}. {% endif %}{{ c.seeds | length }} seed{{ "s" if c.seeds | length != 1 }},
{{ c.recipe.epochs }} epoch{{ "s" if c.recipe.epochs != 1 }} each. {{ c.machine.date }}, {{ c.machine.processor }},
hopgraph {{ c.machine.hopgraph }}.</p>
<div class="scroll"><table>
<thead><tr>{% for column in table.columns %}<th scope="col">{{ column }}</th>{% endfor %}</tr></thead>
<tbody>{% for row in table.rows %}<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}</tbody>
</table></div>
<p class="soft">Ratios are to {{ c.rows[0].variant }}. Test values ({{ c.task }}): mean{% if c.seeds | length > 1 %} and standard
deviation{% endif %} over seeds, after the last epoch.{% if c.seeds | length > 1 %} Intervals: of Student's
t over seeds. "Minus {{ c.rows[0].variant }}": the mean difference of runs with the same seed, p of the paired t
test (two-sided), p after Holm's correction for all variants in the table, and d, the mean difference over its standard deviation.
With fewer than 3 seeds there are no intervals and no p values.{% endif %}</p>
<p class="soft">Weight asymmetry: |W_back - W_forth| / (|W_back| + |W_forth|), the mean over synapses: 0 for tied weights, about 0.71 for
independent ones. Asymmetry of du/dg: |J - J^T| / (2 |J|) of the pulls' Jacobian by the activations at trained weights, the mean over
blocks and seeds, at the states of {{ ledger_inputs }} test inputs: 0 where an energy exists.{% if timed %} Times: the
median of one call and examples per second, each candidate in its own process, rounds
interleaved; "no difference" where the 95% bootstrap interval of the ratio holds 1.{% endif %}</p>
{% for row in c.rows if row.iso %}<p class="soft"><b>{{ row.variant }}</b>: {{ row.iso }}.</p>
{% endfor %}
{% if sweep %}<h2>Along {{ c.sweep.path }}</h2>
<div class="plots">{% for plot in sweep %}<figure>{{ plot }}</figure>{% endfor %}</div>
<p>A dot for each seed, the mean with its 95% interval (from 3 seeds).{% if c.sweep.of_lambda %} Lambda to infinity is the variant
whose pulls are tied, lambda 0 the one whose pulls have their own weights{% if ends %}:
{% for row in c.rows if row.end %}<b>{{ row.variant }}</b> is {{ "the first" if row.end == "tied" else "the second"
}}{{ ", " if not loop.last }}{% endfor %}{% endif %}.{% endif %} A dashed line across is a variant that is not of this family.</p>
{% endif %}{% if parameters %}<h2>Equal width and equal parameters</h2>
<div class="plots">{% for plot in parameters %}<figure>{{ plot }}</figure>{% endfor %}</div>
<p>Hollow: the variant with its dims scaled to the parameters of another.</p>
{% endif %}<h2>Training</h2>
<div class="plots">{% for plot in curves %}<figure>{{ plot }}</figure>{% endfor %}</div>
<p>The mean over seeds; the band is their range.</p>
{% if asymmetries %}<h2>Weight asymmetry of each synapse along training</h2>
<div class="plots">{% for plot in asymmetries %}<figure>{{ plot }}</figure>{% endfor %}</div>
<p>Epoch 0 is before training. A variant whose weights are apart from the start, and stay so, does not become symmetric by itself.</p>
{% endif %}<h2>Energy</h2>
<figure>{{ energy_depth }}</figure>
<p>The energy of every block at its input (circle) and at its output (dot), the mean over {{ inputs }} test inputs. Each block has its own
energy, so that one block's output and the next one's input differ.</p>
<figure>{{ energy_steps }}</figure>
<p>How far a block's own updates move its energy, relative to its size on entry. Solid (or dotted, at equal parameters): the energy of the
model's own dynamics. Dashed: the energy of the base weights, as if every pull were tied; nothing makes these updates descend it.
{% for row in c.rows if row.energy.reason %}<b>{{ row.variant }}</b> is not shown: {{ row.energy.reason }}. {% endfor %}</p>

<h2>Certificates</h2>
{% for row in c.rows %}<p><b>{{ row.variant }}</b>: {{ row.certificate }}{% if row.reasons %}, because{% endif %}</p>
{% if row.reasons %}<ul>{% for reason in row.reasons %}<li>{{ reason.text }} <span class="soft">({{ reason.position }})</span></li>
{% endfor %}</ul>{% endif %}{% endfor %}

<h2>What was compared</h2>
{% for shown in shows %}<details{{ " open" if loop.first }}><summary>{{ shown.label }}</summary>
<img alt="The layers and synapses of {{ shown.label }}" src="{{ shown.picture }}">
<pre>{{ shown.equations }}</pre></details>
{% endfor %}
<details><summary>Recipe</summary><pre>{{ recipe }}</pre></details>

<h2>To repeat this</h2>
<p><code>{{ c.command }}</code></p>
<p class="soft">{% for what, found in c.machine.items() %}{{ what }}: {{ found }}{{ ", " if not loop.last }}{% endfor %}.
{% for what, time in c.seconds.items() -%}
{{ what }} {{ "%.0f" | format(time) }} s{{ ", " if not loop.last }}{% endfor %}.</p>
</body>
</html>
"""

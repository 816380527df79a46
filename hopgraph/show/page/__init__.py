"""`hopgraph show --format html`: one page about a spec that needs nothing from outside. `page.page(spec, code)` gives its text."""

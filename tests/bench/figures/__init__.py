"""One file a figure: `measure(bench)` returns its section."""

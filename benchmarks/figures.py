"""The tables and the figure of docs/speed.md, from the recorded results.

    python benchmarks/figures.py

A table stands between `<!-- results: NAME -->` and `<!-- end -->`; what is there is written anew.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure
from measuring import RECORDED, read_csv
from memory import COLUMNS as MEMORY

from mien.report.figures.style import COLORS, MUTED, style

DOCS = Path(__file__).parents[1] / "docs"
PAGE, PICTURE = DOCS / "speed.md", DOCS / "images" / "speed-training.png"
PLACE = re.compile(r"(<!-- results: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
CASES = ("vae-64", "vae-32", "gan-64", "acgan-64")
Row = Mapping[str, str]


def main() -> None:
    """Draw and write."""
    cases = {case: rows for case in CASES if (rows := read_csv(f"training-{case}", RECORDED))}
    if cases:
        with style():
            bars(cases).savefig(PICTURE, dpi=160, bbox_inches="tight", pad_inches=0.1)
    PAGE.write_text(PLACE.sub(lambda match: filled(*match.groups()), PAGE.read_text()))
    print(f"written: {PAGE}" + (f", {PICTURE}" if cases else ""))


def filled(start: str, name: str, end: str) -> str:
    """A place of the page with its table in it, or the words that nothing was recorded."""
    rows = read_csv(name, RECORDED)
    table = next(table for beginning, table in TABLES.items() if name.startswith(beginning))
    return f"{start}\n{table(rows) if rows else 'Not recorded yet.'}\n\n{end}"


def markdown(rows: Sequence[Row], columns: Mapping[str, str]) -> str:
    """Rows as a table.  columns: name in the CSV to its heading; the first is set left"""
    lines = [" | ".join(columns.values()), " | ".join("---:" if place else "---" for place in range(len(columns)))]
    lines += [" | ".join(cell(row.get(column, "")) for column in columns) for row in rows]
    return "\n".join(f"| {line} |" for line in lines)


def cell(text: str) -> str:
    """A figure with as many digits as it is worth; anything else as it is."""
    try:
        number = float(text)
    except ValueError:
        return text
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.3g}"


def conditions(row: Row) -> str:
    """Hardware, versions and ceilings in a sentence."""
    ceilings = ""
    if row.get("bfloat16_gflops"):
        ceilings = (
            f" The machine's ceilings: {cell(row['float32_gflops'])} GFLOP/s float32, {cell(row['bfloat16_gflops'])} "
            f"bfloat16, copy {cell(row['copy_gb_per_second'])} GB/s."
        )
    versions = f"PyTorch {row['torch']}, mien at {row['commit'][:7] or 'no commit'}"
    return f"{row['machine']}, {row['threads']} threads; {versions}; {row['started'][:10]}.{ceilings}"


def training_table(rows: Sequence[Row]) -> str:
    """Images a second of every way to train."""
    columns = {
        "peer": "",
        "images_per_second": "images/s",
        "mien_over_this": "mien / this (rounds)",
        "share_of_bfloat16": "of bfloat16 ceiling",
        "peak_mib": "peak MiB",
        "import_seconds": "import s",
        "first_step_seconds": "first step s",
    }
    flops = float(rows[0]["flops_of_image"]) / 1e6
    return (
        f"{markdown(rows, columns)}\n\n{flops:,.0f} MFLOP an image, {rows[0]['trials']} rounds. {conditions(rows[0])}"
    )


def plain_table(columns: Mapping[str, str]) -> Callable[[Sequence[Row]], str]:
    """A table of these columns with its conditions below."""
    return lambda rows: f"{markdown(rows, columns)}\n\n{conditions(rows[0])}"


def operations_table(rows: Sequence[Row]) -> str:
    """Kinds of operation by models."""
    models = list(dict.fromkeys(row["model"] for row in rows))
    share = {(row["operation"], row["model"]): row["share"] for row in rows}
    kinds = dict.fromkeys(row["operation"] for row in rows)
    turned = [{"operation": kind} | {model: share.get((kind, model), "") for model in models} for kind in kinds]
    return markdown(turned, {"operation": ""} | {model: model for model in models})


PARTS = {"model": "", "part": "part", "milliseconds": "ms", "share": "share"}
GPU = {
    "what": "",
    "precision": "precision",
    "captured": "captured",
    "images_per_second": "images/s",
    "share_of_bfloat16": "of bfloat16 ceiling",
    "seconds": "seconds",
    "peak_mib": "peak MiB",
}
ESTIMATE = {
    "model": "",
    "gflop_of_step": "GFLOP a step",
    "gigabytes_of_step": "GB a step",
    "operations_of_step": "operations a step",
    "milliseconds_of_arithmetic": "arithmetic ms",
    "milliseconds_of_memory": "memory ms",
    "milliseconds_of_launches": "launches ms",
    "images_per_second": "images/s",
}
TABLES: dict[str, Callable[[Sequence[Row]], str]] = {
    "training-": training_table,
    "changes-": training_table,
    "step-parts": plain_table(PARTS),
    "step-operations": operations_table,
    "memory": plain_table(MEMORY),
    "gpu-estimate": plain_table(ESTIMATE),
    "gpu": plain_table(GPU),
}


def bars(cases: Mapping[str, Sequence[Row]]) -> Figure:
    """Images a second of every way to train, one panel a model; the thin line is the range over rounds."""
    heights = [len(rows) for rows in cases.values()]
    figure = Figure(figsize=(6.4, 0.6 + 0.24 * sum(heights) + 0.5 * len(cases)), layout="constrained")
    panels = figure.subplots(len(cases), 1, height_ratios=heights, squeeze=False)[:, 0]
    for panel, (case, rows) in zip(panels, cases.items(), strict=True):
        model, _, width = case.partition("-")
        names = [row["peer"] for row in rows]
        speeds, lows, highs = ([float(row[key]) for row in rows] for key in ("images_per_second", "low", "high"))
        colors = [COLORS[1] if name == "mien" else COLORS[0] for name in names]
        panel.barh(names, speeds, color=colors, height=0.65)
        panel.hlines(names, lows, highs, color=MUTED, linewidth=1.2)
        for name, speed, high in zip(names, speeds, highs, strict=True):
            panel.annotate(f"{speed:,.0f}", (high, name), (4, 0), textcoords="offset points", va="center", fontsize=7.5)
        panel.invert_yaxis()
        panel.set_xlim(0, 1.1 * max(highs))
        panel.grid(visible=False, axis="y")
        panel.spines[["top", "right"]].set_visible(False)
        panel.set_title(f"{model.upper().replace('ACGAN', 'AC-GAN')}, width {width}: images/s")
    return figure


if __name__ == "__main__":
    main()

"""From samples to the table: medians, spread, ratios to each peer, goals; as markdown, JSON and a plot."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.benchmarks.row import Case, Row

__all__ = ["lines", "markdown", "publish", "write"]

_BYTES = " [bytes]"


def _by_measurement(rounded: Mapping[str, list[list[Any]]]) -> dict[str, dict[str, list[list[float]]]]:
    """Samples that are mappings, told apart by their keys; "" where a sample is one number."""
    found: dict[str, dict[str, list[list[float]]]] = {}
    for name, rounds in rounded.items():
        keys = rounds[0][0].keys() if isinstance(rounds[0][0], dict) else [""]
        for key in keys:
            found.setdefault(key, {})[name] = [[s[key] if key else s for s in samples] for samples in rounds]
    return found


def _quartiles(values: list[float]) -> tuple[float, float, float]:
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3
    return low, middle, high


def lines(
    row: Row, case: Case, rounded: Mapping[str, list[list[Any]]], missing: Mapping[str, str], notes: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """One line for each measurement of a case. `rounded` holds, per contender, the samples of each round."""
    table = []
    mine = next(iter(row.contenders))
    for key, contenders in (_by_measurement(rounded) or {"": {}}).items():  # a line even where nobody could be measured
        entries: dict[str, dict[str, Any]] = {}
        for name, rounds in contenders.items():
            low, middle, high = _quartiles([s for samples in rounds for s in samples])
            entries[name] = {"median": middle, "q1": low, "q3": high, "rounds": rounds}
        for name, entry in entries.items():
            # paired by round, so that a machine that slows down for a while slows both sides of a ratio
            if mine in entries and name != mine:
                pairs = zip(contenders[mine], contenders[name], strict=True)
                ratios = [statistics.median(a) / statistics.median(b) for a, b in pairs]
                low, middle, high = _quartiles(ratios)
                entry["ours_over_it"] = {"median": middle, "q1": low, "q3": high}
        table.append({
            "row": row.name, "title": row.title, "case": key.removesuffix(_BYTES) or case.name,
            "unit": "B" if key.endswith(_BYTES) else "s", "ours": mine, "contenders": entries, "missing": dict(missing),
            "notes": dict(notes), "goal": _judged(case, entries, mine),
        })  # fmt: skip
    return table


def _judged(case: Case, entries: Mapping[str, Any], mine: str) -> dict[str, Any] | None:
    goal = case.goal
    if goal is None:
        return None
    got = None
    if mine in entries and (goal.against is None or goal.against in entries):
        got = entries[mine]["median"] if goal.against is None else entries[goal.against]["ours_over_it"]["median"]
    reached = None if got is None else got <= goal.limit
    return {"limit": goal.limit, "against": goal.against, "got": got, "reached": reached}


def _figure(value: float, unit: str) -> str:
    if unit == "B":
        return f"{value:.0f} B"
    for scale, name in ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")):
        if value >= scale:
            return f"{value / scale:.3g} {name}"
    return f"{value * 1e9:.3g} ns"


def _goal(goal: Mapping[str, Any] | None) -> tuple[str, str]:
    if goal is None:
        return "", ""
    peer = goal["against"]
    limit = f"≤ {_figure(goal['limit'], 's')}" if peer is None else f"≤ {goal['limit']:g} × {peer}"
    return limit, {True: "yes", False: "**no**", None: "not measured"}[goal["reached"]]


def _setting(machine: Mapping[str, Any]) -> str:
    core = f" (OPENBLAS_CORETYPE={machine['openblas_coretype']})" if machine["openblas_coretype"] else ""
    facts = [
        machine["processor"],
        f"{machine['cores']} cores",
        f"{machine['threads']} threads for each contender",
        f"OpenBLAS kernel {machine['openblas']}{core}",
        *([] if machine["load"] is None else [f"load {machine['load']:.1f} before the run"]),
        machine["system"],
        f"Python {machine['python']}",
        *(f"{name} {number}" for name, number in machine["versions"].items()),
    ]
    return ", ".join(facts) + "."


def _rows(table: Iterable[Mapping[str, Any]]) -> Iterable[list[str]]:
    for line in table:
        head, (limit, reached) = [line["title"], line["case"]], _goal(line["goal"])
        entries = line["contenders"]
        ours = entries.get(line["ours"])
        absent = line["missing"].get(line["ours"], "missing")
        own = [f"{_figure(ours['median'], line['unit'])} ({_spread(ours, line['unit'])})" if ours else absent]
        yield [*head, line["ours"], *own, "", limit, reached]
        for name, entry in entries.items():
            if name != line["ours"]:
                ratio = f"{entry['ours_over_it']['median']:.3g}" if "ours_over_it" in entry else ""
                figure = f"{_figure(entry['median'], line['unit'])} ({_spread(entry, line['unit'])})"
                yield ["", "", name, figure, ratio, "", ""]
        for name, reason in line["missing"].items():
            if name != line["ours"]:
                yield ["", "", name, reason, "", "", ""]


def _spread(entry: Mapping[str, Any], unit: str) -> str:
    return f"{_figure(entry['q1'], unit)} … {_figure(entry['q3'], unit)}"


def markdown(result: Mapping[str, Any]) -> str:
    """The table, aligned so that it reads in a terminal too."""
    head = ["what", "case", "contender", "median (quartiles)", "ours / it", "goal", "reached"]
    body = [head, *_rows(result["lines"])]
    width = [max(len(line[column]) for line in body) for column in range(len(head))]
    body.insert(1, ["-" * w for w in width])
    padded = [[cell.ljust(w) for cell, w in zip(line, width, strict=True)] for line in body]
    text = "\n".join("| " + " | ".join(line) + " |" for line in padded)
    notes = [
        f"- {line['title']}, {line['case']}: {name}: {', '.join(f'{count:,} {what}' for what, count in facts.items())}"
        for line in result["lines"]
        for name, facts in line["notes"].items()
    ]
    return "\n\n".join([_setting(result["machine"]), text, *(["\n".join(notes)] if notes else [])])


def _plot(result: Mapping[str, Any], path: Path) -> Path | None:
    """Every contender's time as a multiple of ours, one line per case; None where matplotlib is not installed."""
    try:
        import matplotlib as mpl
    except ImportError:
        return None
    mpl.use("svg")
    from matplotlib import pyplot as plt

    drawn = [line for line in result["lines"] if any("ours_over_it" in entry for entry in line["contenders"].values())]
    if not drawn:
        return None
    names = list(dict.fromkeys(n for line in drawn for n in line["contenders"] if n != line["ours"]))
    with plt.rc_context({"svg.hashsalt": "micrograd", "svg.fonttype": "none", "font.size": 9}):
        figure, axes = plt.subplots(figsize=(8, 1.2 + 0.42 * len(drawn)), layout="constrained")
        for place, name in enumerate(names):
            points = [
                (1 / line["contenders"][name]["ours_over_it"]["median"], -y)
                for y, line in enumerate(drawn)
                if "ours_over_it" in line["contenders"].get(name, {})
            ]
            if points:
                across, up = zip(*points, strict=True)
                axes.scatter(across, up, label=name, marker="osD^vPX*<>"[place % 10], s=42, alpha=0.85)
        axes.axvline(1, color="black", linewidth=1)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(mpl.ticker.FuncFormatter(lambda v, _: f"{v:g}×"))
        axes.set_yticks([-y for y in range(len(drawn))], [f"{line['row']}: {line['case']}" for line in drawn])
        axes.set_xlabel("time, or memory, as a multiple of micrograd's (right of the line: micrograd takes less)")
        axes.grid(axis="x", alpha=0.3)
        figure.legend(loc="outside upper center", ncols=4, frameon=False)
        figure.savefig(path, metadata={"Date": None})
        plt.close(figure)
    return path


def _rounded(value: Any) -> Any:
    """Samples to six digits: more is noise, and the file stays small."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    return [_rounded(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def write(result: Mapping[str, Any], folder: Path) -> list[Path]:
    """``results.json`` (raw samples included), ``table.md`` and, with matplotlib, ``ratios.svg``."""
    folder.mkdir(parents=True, exist_ok=True)
    samples, table = folder / "results.json", folder / "table.md"
    samples.write_text(json.dumps(_rounded(dict(result)), indent=1) + "\n")
    table.write_text(markdown(result) + "\n")
    plot = _plot(result, folder / "ratios.svg")
    return [samples, table, *([plot] if plot else [])]


_PAGE = """# Benchmarks

`make bench` prints this table on your machine.
Every contender runs in a process of its own, warmed up; the contenders take turns, round by round, in one run.
Python's garbage collector stays as it is by default.
Each figure is the median over all rounds with its quartiles, each ratio the median of the ratios within a round.
All contenders of a case compute the same from the same numbers in the same dtype: a run whose answers differ stops.
"handwritten" is the staged batch norm in plain NumPy, `micrograd.batchnorm.batchnorm_forward` and `batchnorm_backward`.
Our tensors are made from the arrays within the measured time, which copies them;
torch's `from_numpy` and MyGrad's `copy=False` share the memory.
"leaves made" starts from tensors that are there already.

{plot}{table}

The raw samples are in [results.json](results.json).
"""


def publish(result: Mapping[str, Any], folder: Path) -> list[Path]:
    """The page of the documentation: ``index.md`` with its plot and samples."""
    folder.mkdir(parents=True, exist_ok=True)
    page, samples = folder / "index.md", folder / "results.json"
    plot = _plot(result, folder / "ratios.svg")
    picture = "![Time of each contender as a multiple of micrograd's](ratios.svg)\n\n" if plot else ""
    page.write_text(_PAGE.format(plot=picture, table=markdown(result)))
    samples.write_text(json.dumps(_rounded(dict(result)), separators=(",", ":")) + "\n")
    return [page, samples, *([plot] if plot else [])]

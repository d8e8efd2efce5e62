"""From samples to the table: medians, spread, ratios to each peer, goals; as markdown, JSON and a plot."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.benchmarks.plot import plot
from tests.benchmarks.row import Case, Goal, Row

__all__ = ["PAGES", "judged_errors", "lines", "markdown", "mean_lines", "publish", "write"]

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
    if mine in entries and not goal.peers:
        got = entries[mine]["median"]
    elif mine in entries and (ratios := [entries[n]["ours_over_it"]["median"] for n in goal.peers if n in entries]):
        got = max(ratios)  # beside the fastest of them
    return _verdict(goal, got)


def _verdict(goal: Goal, got: float | None) -> dict[str, Any]:
    against = goal.peers[0] if len(goal.peers) == 1 else list(goal.peers) or None
    reached = None if got is None else got <= goal.limit
    return {"limit": goal.limit, "against": against, "got": got, "reached": reached}


def mean_lines(row: Row, table: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A line for each geometric mean of the row whose cases were all measured: of the medians, and of the ratios."""
    measured = {line["case"]: line for line in table}
    found = []
    for mean in row.means:
        if not all(case in measured for case in mean.cases):
            continue
        over = [measured[case] for case in mean.cases]
        mine, entries = over[0]["ours"], {}
        for name in row.contenders:
            if not all(name in line["contenders"] for line in over):
                continue
            each = [line["contenders"][name] for line in over]
            entry: dict[str, Any] = {q: statistics.geometric_mean(e[q] for e in each) for q in ("median", "q1", "q3")}
            if all("ours_over_it" in e for e in each):
                ratios = [e["ours_over_it"] for e in each]
                entry["ours_over_it"] = {
                    q: statistics.geometric_mean(r[q] for r in ratios) for q in ("median", "q1", "q3")
                }
            entries[name] = entry
        verdict = None
        if mean.goal:
            gots = [_judged(Case("", (), mean.goal), line["contenders"], mine) for line in over]
            each_got = [verdict["got"] for verdict in gots if verdict]
            got = None if None in each_got else statistics.geometric_mean(each_got)
            verdict = _verdict(mean.goal, got)
        found.append(dict(over[0]) | {"case": mean.name, "contenders": entries, "notes": {}, "goal": verdict})
    return found


def judged_errors(
    found: list[dict[str, Any]], limits: Mapping[str, Mapping[str, float]], mine: str
) -> list[dict[str, Any]]:
    """Errors with, for ours, whether they stay under the limits of the probe; a NaN does not."""
    for entry in found:
        own = limits[entry["probe"]] if entry["contender"] == mine else {}
        entry["reached"] = all(entry["errors"].get(n, math.inf) <= limit for n, limit in own.items()) if own else None
        entry["limits"] = own
    return found


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
    peer = peer if peer is None or isinstance(peer, str) else "best of " + ", ".join(peer)
    limit = f"≤ {_figure(goal['limit'], 's')}" if peer is None else f"≤ {goal['limit']:g} × {peer}"
    return limit, {True: "yes", False: "**no**", None: "not measured"}[goal["reached"]]


def _setting(machine: Mapping[str, Any]) -> str:
    facts = [
        machine["processor"],
        f"{machine['cores']} cores",
        f"{machine['threads']} threads for each contender",
        *machine["blas"],
        *([] if machine["load"] is None else [f"load {machine['load']:.1f} before the run"]),
        machine["system"],
        f"Python {machine['python']}",
        *(f"{name} {number}" for name, number in machine["versions"].items()),
        *([machine["compiler"]] if machine.get("compiler") else []),
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


def _aligned(head: list[str], rows: Iterable[list[str]]) -> str:
    body = [head, *rows]
    width = [max(len(line[column]) for line in body) for column in range(len(head))]
    body.insert(1, ["-" * w for w in width])
    padded = [[cell.ljust(w) for cell, w in zip(line, width, strict=True)] for line in body]
    return "\n".join("| " + " | ".join(line) + " |" for line in padded)


def _note(what: str, value: Any) -> str:
    return f"{value:,} {what}" if isinstance(value, int) else f"{what}: {value}"


def _errors(found: list[Mapping[str, Any]]) -> str:
    rows = []
    for entry in found:
        figures = ", ".join(f"{name} {error:.2g}" for name, error in entry["errors"].items())
        figures = figures or entry["failed"]
        limit = ", ".join(f"{name} ≤ {limit:g}" for name, limit in entry["limits"].items())
        reached = {True: "yes", False: "**no**", None: ""}[entry["reached"]]
        rows.append([entry["title"], entry["probe"], entry["contender"], figures, limit, reached])
    head = ["what", "input", "contender", "largest error / largest entry, against 300 bits", "goal", "reached"]
    return _aligned(head, rows)


def markdown(result: Mapping[str, Any]) -> str:
    """The tables, aligned so that they read in a terminal too: times, notes, errors."""
    head = ["what", "case", "contender", "median (quartiles)", "ours / it", "goal", "reached"]
    notes = [
        f"- {line['title']}, {line['case']}: {name}: {', '.join(_note(*fact) for fact in facts.items())}"
        for line in result["lines"]
        for name, facts in line["notes"].items()
    ]
    parts = [_setting(result["machine"]), _aligned(head, _rows(result["lines"]))]
    parts += ["\n".join(notes)] if notes else []
    parts += [_errors(result["errors"])] if result.get("errors") else []
    return "\n\n".join(parts)


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
    drawn = plot(result, folder / "ratios.svg")
    return [samples, table, *([drawn] if drawn else [])]


PAGES = {"index": "Benchmarks", "compile": "Benchmarks of compiled code", "training": "Benchmarks of training"}
_PAGE = """# {title}

`make bench` prints this table on your machine.
Every contender runs in a process of its own, warmed up; the contenders take turns, round by round, in one run.
Python's garbage collector stays as it is by default.
Each figure is the median over all rounds with its quartiles, each ratio the median of the ratios within a round.
All contenders of a case compute the same from the same numbers in the same dtype: if results differ, no time is given and the run fails.
"handwritten" is the staged batch norm in plain NumPy, `micrograd.batchnorm.batchnorm_forward` and `batchnorm_backward`.
Our tensors are made from the arrays within the measured time, which copies them;
torch's `from_numpy` and MyGrad's `copy=False` share the memory.
"leaves made" starts from tensors that exist already.

{plot}{table}

A run writes its raw samples to `out/bench/results.json`; those of this table are not kept.
"""


def publish(result: Mapping[str, Any], folder: Path, page: str = "index") -> list[Path]:
    """A page of the documentation: ``PAGE.md`` with its plot, beside those of other pages; samples are not kept."""
    folder.mkdir(parents=True, exist_ok=True)
    prefix = "" if page == "index" else f"{page}-"
    text = folder / f"{page}.md"
    drawn = plot(result, folder / f"{prefix}ratios.svg")
    picture = f"![Time of each contender as a multiple of micrograd's]({prefix}ratios.svg)\n\n" if drawn else ""
    text.write_text(_PAGE.format(title=PAGES[page], plot=picture, table=markdown(result)))
    return [text, *([drawn] if drawn else [])]

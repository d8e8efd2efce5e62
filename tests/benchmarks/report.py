"""From samples to the table: medians, spread, ratios to each peer, goals; as markdown, JSON and a plot."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.benchmarks.plot import plot
from tests.benchmarks.row import PEERS, Case, Goal, Row

__all__ = ["faster_peers", "figure", "judged_errors", "lines", "markdown", "mean_lines", "write"]

_BYTES = " [bytes]"
_SPREAD = ("q1", "q3", "p10", "p90", "p99")


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


def _percentiles(values: list[float]) -> dict[str, Any]:
    low, middle, high = _quartiles(values)
    ordered = sorted(values)
    far = {f"p{part}": ordered[min(len(ordered) * part // 100, len(ordered) - 1)] for part in (10, 90, 99)}
    return {"median": middle, "q1": low, "q3": high} | far


def lines(
    row: Row, case: Case, rounded: Mapping[str, list[list[Any]]], missing: Mapping[str, str], notes: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """One line for each measurement of a case. `rounded` holds, per contender, the samples of each round."""
    table = []
    mine = next(iter(row.contenders))
    for key, contenders in (_by_measurement(rounded) or {"": {}}).items():  # a line even where nobody could be measured
        entries: dict[str, dict[str, Any]] = {}
        for name, rounds in contenders.items():
            entries[name] = _percentiles([s for samples in rounds for s in samples]) | {"rounds": rounds}
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
            entry: dict[str, Any] = {q: statistics.geometric_mean(e[q] for e in each) for q in ("median", *_SPREAD)}
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


def figure(value: float, unit: str) -> str:
    if unit == "":
        return f"{value:.2f}"
    if unit == "B" and value >= 2**20:
        return f"{value / 2**20:,.4g} MiB"
    if unit == "B":
        return f"{value:.0f} B"
    for scale, name in ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")):
        if value >= scale:
            return f"{value / scale:.3g} {name}"
    return f"{value * 1e9:.3g} ns"


def _goal(line: Mapping[str, Any]) -> tuple[str, str]:
    """What is asked for, and whether it is reached: where a peer is the measure, with the ratio to the fastest."""
    goal = line["goal"]
    if goal is None:
        return "", ""
    peer = goal["against"]
    if isinstance(peer, (list, tuple)):
        peer = "best peer" if tuple(peer) == PEERS else "best of " + ", ".join(peer)
    limit = f"≤ {figure(goal['limit'], line['unit'])}" if peer is None else f"≤ {goal['limit']:g} × {peer}"
    reached = {True: "yes", False: "**no**", None: "not measured"}[goal["reached"]]
    return limit, reached if peer is None or goal["got"] is None else f"{reached}, {goal['got']:.2f}"


def faster_peers(table: Iterable[Mapping[str, Any]]) -> list[str]:
    """Where the fastest that a goal speaks of takes less than ours, and by how much."""
    found = []
    for line in table:
        goal, entries = line["goal"], line["contenders"]
        if goal is None or goal["against"] is None or goal["got"] is None or goal["got"] <= 1:
            continue
        peers = [goal["against"]] if isinstance(goal["against"], str) else goal["against"]
        name = max((n for n in peers if n in entries), key=lambda n: entries[n]["ours_over_it"]["median"])
        found.append(f"{line['title']}, {line['case']}: {name} is faster, {goal['got']:.2f} times")
    return found


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
        head, (limit, reached) = [line["title"], line["case"]], _goal(line)
        entries = line["contenders"]
        ours = entries.get(line["ours"])
        absent = line["missing"].get(line["ours"], "missing")
        own = [_told(ours, line["unit"]) if ours else absent]
        yield [*head, line["ours"], *own, "", limit, reached]
        for name, entry in entries.items():
            if name != line["ours"]:
                ratio = f"{entry['ours_over_it']['median']:.3g}" if "ours_over_it" in entry else ""
                yield ["", "", name, _told(entry, line["unit"]), ratio, "", ""]
        for name, reason in line["missing"].items():
            if name != line["ours"]:
                yield ["", "", name, reason, "", "", ""]


def _told(entry: Mapping[str, Any], unit: str) -> str:
    if not unit:  # derived, not sampled
        return figure(entry["median"], unit)
    return f"{figure(entry['median'], unit)} ({', '.join(figure(entry[part], unit) for part in ('p10', 'p90', 'p99'))})"


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
    head = ["what", "case", "contender", "median (p10, p90, p99)", "ours / it", "goal", "reached"]
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

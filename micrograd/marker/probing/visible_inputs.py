"""Inputs on which mistakes show: several sizes with N != D, an eps that matters, no entry that is 1 by chance."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from micrograd.marker.inputs.conventions import ArgumentLayout
from micrograd.marker.inputs.guessing import fitting_sizes
from micrograd.marker.messages import say
from micrograd.marker.probing.probe_messages import WORDS, described, number
from micrograd.marker.probing.trial import Mutant, Trial
from micrograd.marker.probing.visibility import VISIBLE, Hidden, Survey, survey_of

__all__ = ["LARGE", "SPREADS", "Search", "VisibleProbe", "searched"]

LARGE = 0.2  # beside a variance of about 1
SPREADS = (0.3, 0.1, 0.03, 0.01, 3e-3, 3.0)  # tried where an eps that cannot be put in must matter
_TRIALS = 8
_NODES = 600  # of larger graphs fewer trials are made


@dataclass(frozen=True, slots=True)
class VisibleProbe:
    """Inputs and an upstream gradient on which every mistake that can be seen is seen.

    Attributes:
        forward: the name of the function.
        arguments: of it, by parameter: arrays, numbers, settings. Pass copies to code that writes into them.
        upstream: the gradient to start from; a tuple where there are several outputs.
        mutants: how many mistakes were tried.
        visible: how many of them some input shows.
        faint: those that this one does not show, with how much they change.
        least: the faintest of those it shows, with how much that changes.
        hidden: those that no input shows, with what makes them harmless.
        tried: on how many random probes that was seen.
        bar: what counts as seen: a change by this share of a gradient's largest entry.
        possible: how many mistakes there are to try; more than `mutants` where the graph is very large.
    """

    forward: str
    arguments: Mapping[str, Any]
    upstream: Any
    mutants: int
    visible: int
    faint: tuple[tuple[Mutant, float], ...]
    least: tuple[Mutant, float] | None
    hidden: tuple[Hidden, ...]
    tried: int
    bar: float = VISIBLE
    possible: int = 0

    @property
    def arrays(self) -> dict[str, Any]:
        """Return the arrays among the arguments, by parameter."""
        return {name: value for name, value in self.arguments.items() if isinstance(value, np.ndarray)}

    @property
    def seen(self) -> int:
        """Return how many mistakes this probe shows."""
        return self.visible - len(self.faint)

    def __getitem__(self, name: str) -> Any:
        """An argument by its parameter."""
        return self.arguments[name]

    def inputs(self) -> str:
        """Return the arguments and the upstream gradient in a few words: ``x (5, 3), eps = 0.2, upstream (5, 3)``."""
        upstream = self.upstream if isinstance(self.upstream, tuple) else (self.upstream,)
        shown = [*self.arguments.items(), *(("upstream", g) for g in upstream)]
        return ", ".join(_shown(name, value) for name, value in shown)

    def text(self, language: str = "en") -> str:
        """Return what it shows, in ``en`` or ``zh``."""
        lines = [say(language, WORDS["probe.inputs"], name=self.forward, inputs=self.inputs())]
        if self.possible > self.mutants:
            lines.append(say(language, WORDS["probe.part"], tried=self.mutants, possible=self.possible))
        if self.faint:
            lines.append(say(language, WORDS["probe.most"], seen=self.seen, visible=self.visible, bar=f"{self.bar:g}"))
            for mutant, change in self.faint:
                mistake = described(mutant, language)
                lines.append(say(language, WORDS["probe.faint"], mistake=mistake, change=number(change)))
        elif self.least is not None:
            mutant, change = self.least
            said = {"least": number(change), "faintest": described(mutant, language)}
            lines.append(say(language, WORDS["probe.all"], visible=self.visible, **said))
        if self.hidden:
            lines.append(say(language, WORDS["probe.hidden"], tried=self.tried))
            alike = {(h.mutant.target, h.identity): h for h in reversed(self.hidden)}  # taken as 0, doubled, turned
            for hidden in reversed(alike.values()):
                key = "probe.identity" if hidden.identity else "probe.harmless"
                said = {"identity": hidden.identity, "error": number(hidden.error)}
                lines.append(say(language, WORDS[key], mistake=described(hidden.mutant, language), **said))
        return "\n".join(lines)

    def as_json(self) -> str:
        """Return what it shows as JSON text.

        How many mistakes were tried, of how many, and which stay unseen, and why.
        """
        return json.dumps({
            "forward": self.forward, "inputs": self.inputs(), "possible": self.possible, "tried": self.mutants,
            "visible": self.visible, "seen": self.seen, "bar": self.bar,
            "faint": [{"mistake": described(mutant), "change": change} for mutant, change in self.faint],
            "hidden": [{"mistake": described(h.mutant), "identity": h.identity, "error": h.error} for h in self.hidden],
        }, indent=2, ensure_ascii=False)  # fmt: skip

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return f"<VisibleProbe of {self.forward}: {self.inputs()}; shows {self.seen} of {self.visible} mistakes>"


def _shown(name: str, value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{name} {value.shape}"
    if isinstance(value, dict):
        inner = ", ".join(_shown(repr(key), entry).replace(" = ", ": ") for key, entry in value.items())
        return f"{name} = {{{inner}}}"
    return f"{name} = {value:.3g}" if isinstance(value, float) else f"{name} = {value!r}"


# ---- the search ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Search:
    """Random probes of a forward, and what they show.

    Attributes:
        survey: of all of them.
        hidden: what no input shows.
        tried: on how many probes that was seen.
    """

    survey: Survey
    hidden: tuple[Hidden, ...]
    tried: int

    def chosen(self, forward: Callable[..., Any], tolerance: float) -> VisibleProbe:
        """Return the first probe that shows everything; the one that shows most where none does."""
        survey = self.survey
        best = min(range(len(survey.trials)), key=lambda place: len(survey.unseen(place, tolerance)))
        unseen = survey.unseen(best, tolerance)
        visible = [key for key in survey.visible if not np.isnan(survey.changes[key][best])]
        names = survey.mutants[best]
        shown = {key: survey.changes[key][best] for key in visible if key not in unseen}
        least = min(shown, key=lambda key: shown[key], default=None)
        trial = survey.trials[best]
        ups = tuple(g if np.shape(g) else float(g) for g in trial.upstream)
        return VisibleProbe(
            getattr(forward, "__name__", type(forward).__name__),
            trial.arguments,
            ups if len(ups) > 1 else ups[0],
            int(np.sum(~np.isnan([row[best] for row in survey.changes.values()]))),
            len(visible),
            tuple((names[key], survey.changes[key][best]) for key in unseen),
            None if least is None else (names[least], shown[least]),
            self.hidden,
            self.tried,
            tolerance,
            survey.possible[best],
        )


def searched(
    forward: Callable[..., Any], layout: ArgumentLayout, *, seed: int = 0, tolerance: float = VISIBLE
) -> Search:
    """Random probes until one shows every mistake that can be seen, or all kinds have been tried."""
    fitting = fitting_sizes(forward, layout)

    def trial(place: int, spread: float = 1.0) -> Trial:
        rng = np.random.default_rng([seed, place])
        arguments = layout.draw(rng, fitting[place % len(fitting)], eps=LARGE, spread=spread)
        return Trial(forward, arguments, seed=seed + place)

    first = trial(0)
    count = _TRIALS
    if len(first.backward.nodes) > _NODES:  # loops over an axis: fewer and smaller ones
        count = 3
        fitting = fitting[:2]
    survey = survey_of([first, *(trial(place) for place in range(1, count))])
    hidden = tuple(survey.hidden())
    for spread in SPREADS:
        if any(not survey.unseen(place, tolerance) for place in range(len(survey.trials))):
            break
        more = [trial(len(survey.trials) + place, spread) for place in range(2)]
        survey = survey.extended(survey_of(more))
    return Search(survey, hidden, count)

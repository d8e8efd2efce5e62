"""Judge a derivation three times over, each judge independent of the others."""

from micrograd.derivation.judges.judging import BOUND, Checked, exact, floating, judged, over_field

__all__ = ["BOUND", "Checked", "exact", "floating", "judged", "over_field"]

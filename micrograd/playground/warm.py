"""Import what the first command in a browser needs, so that it need not wait: Python has no compiled files there."""

from __future__ import annotations

import micrograd.derivation
import micrograd.drawing
import micrograd.marker.inputs.pairs
import micrograd.marker.present.report_page
import micrograd.marker.process.in_process
import micrograd.stepper.page
import micrograd.tracing  # noqa: F401

"""Search for the compact form of every line of a backward pass, and prove each step."""

from micrograd.derivation.search.book import Book, split
from micrograd.derivation.search.costs import Cost
from micrograd.derivation.search.cover import Cover, Names
from micrograd.derivation.search.expressions import exponents_up, names, relabel, substitute, values_in
from micrograd.derivation.search.factoring import factored
from micrograd.derivation.search.known import known_facts, proof_of
from micrograd.derivation.search.layers import between_layers, read_often
from micrograd.derivation.search.lines import Fact, Line, Move, Search
from micrograd.derivation.search.program import operations, program_of, staged_program

__all__ = [
    "Book",
    "Cost",
    "Cover",
    "Fact",
    "Line",
    "Move",
    "Names",
    "Search",
    "between_layers",
    "exponents_up",
    "factored",
    "known_facts",
    "names",
    "operations",
    "program_of",
    "proof_of",
    "read_often",
    "relabel",
    "split",
    "staged_program",
    "substitute",
    "values_in",
]

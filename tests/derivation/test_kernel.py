"""The normal form: what it must make equal, and above all what it must not."""

from __future__ import annotations

from fractions import Fraction as F
from pathlib import Path

import pytest
from code_lines import code_lines

from micrograd.derivation import kernel
from micrograd.derivation.kernel import Algebra, UndefinedError, algebra, const, frozen, polynomials, size, value, var

N, D = (0, 0), (1, 0)


def x(*labels: tuple[object, ...]) -> dict:
    return value("x", labels or (N, D))


def test_equal_things_are_equal() -> None:
    k = Algebra()
    b = k.fresh(0)
    assert k.equal(k.mul(k.add(x(), value("y", (N,))), x()), k.add(k.power(x(), 2), k.mul(x(), value("y", (N,)))))
    mean = k.mul(k.power(size(0), -1), k.sum_over([b], x(b, D)))
    c = k.fresh(0)
    assert k.sum_over([c], k.sub(x(c, D), mean)) == {}
    k.positive.add("v")
    assert k.equal(k.power(k.power(value("v"), F(1, 2)), 2), value("v"))
    assert k.equal(k.apply("exp", k.add(x(), x())), k.power(k.apply("exp", x()), 2))


def test_a_root_of_a_square_is_not_the_number() -> None:
    k = Algebra()
    root = k.power(k.power(x(), 2), F(1, 2))
    assert not k.equal(root, x())
    assert k.equal(k.power(root, 2), k.power(x(), 2))
    k.positive.add("x")
    assert k.equal(k.power(k.power(x(), 2), F(1, 2)), x())


def test_a_division_by_zero_is_no_zero() -> None:
    k = Algebra()
    with pytest.raises(UndefinedError, match="divides by what is always 0"):
        k.power(k.sub(x(), x()), -1)


def test_labels_that_meet_are_added_up_not_lost() -> None:
    k = Algebra()
    k.onehot["Y"] = 1
    picked = (1, "@", "Y", (N,))
    difference = k.sub(x(N, D), x(N, picked))
    base = k.mul(value("Y", (N, D)), k.power(k.add(difference, const(1)), -1))
    assert k.equal(base, value("Y", (N, D)))  # at the label the difference is 0
    mask = k.mul(value("Y", (N, D)), k.apply("greater", difference, const(0)))
    assert not k.equal(mask, value("Y", (N, D)))
    other = (0, 1)
    twice = {((("P", frozen(k.sub(x(N, D), x(other, D)))), 2),): 1}
    assert k.relabel(twice, {other: N}) == {}


def test_one_hot_rows_of_other_labels_are_other_rows() -> None:
    k = Algebra()
    k.onehot |= {"Y": 1, "Z": 1}
    both = k.mul(value("Y", (N, D)), value("Z", (N, D)))
    b = k.fresh(1)
    assert not k.equal(both, value("Y", (N, D)))
    assert k.equal(k.mul(value("Y", (N, D)), value("Y", (N, D))), value("Y", (N, D)))
    assert k.equal(k.sum_over([b], value("Y", (N, b))), const(1))
    assert not k.equal(k.sum_over([b], k.relabel(both, {D: b})), const(1))


def test_a_sum_counts_its_terms() -> None:
    k = Algebra()
    b, c = k.fresh(0), k.fresh(1)
    assert k.equal(k.sum_over([b, c], value("z")), k.mul(k.mul(size(0), size(1)), value("z")))
    assert not k.equal(k.sum_over([b], value("z")), value("z"))


def test_sums_over_axes_of_one_length_keep_apart() -> None:
    k = Algebra()
    b, c = k.fresh(0), k.fresh(0)
    trace = k.sum_over([b], value("A", (b, b)))
    everything = k.sum_over([b, c], value("A", (b, c)))
    assert not k.equal(trace, everything)
    assert k.equal(everything, k.sum_over([c, b], value("A", (c, b))))
    square = k.sum_over([b, c], k.mul(value("A", (b, c)), value("A", (c, b))))
    assert not k.equal(square, k.sum_over([b, c], k.power(value("A", (b, c)), 2)))


def test_there_is_no_state_between_algebras() -> None:
    one, two = Algebra(), Algebra()
    one.positive.add("x")
    squared = {((("v", "x", ()), 2),): 1}
    assert one.power(squared, F(1, 2)) == value("x")
    assert two.power(squared, F(1, 2)) != value("x")


@pytest.mark.parametrize("q", [F(3), F(-2), F(7)])
def test_high_powers_of_brackets_are_decided(q: F) -> None:
    k = Algebra()
    bracket = k.add(x(), const(1))
    assert k.is_zero(k.sub(k.power(bracket, q), k.mul(k.power(bracket, q - 1), bracket)))
    assert not k.is_zero(k.sub(k.power(bracket, q), k.power(bracket, q - 1)))


def test_logarithms_want_positive_numbers() -> None:
    k = Algebra()
    product = k.apply("log", k.mul(x(), value("y", (N,))))
    apart = k.add(k.apply("log", x()), k.apply("log", value("y", (N,))))
    assert not k.equal(product, apart)
    k.positive |= {"x", "y"}
    assert k.equal(
        k.apply("log", k.mul(x(), value("y", (N,)))), k.add(k.apply("log", x()), k.apply("log", value("y", (N,))))
    )
    assert k.equal(k.apply("exp", k.apply("log", x())), x())


def test_numbers_are_exact() -> None:
    k = Algebra()
    assert k.power(const(4), F(1, 2)) == const(2)
    root = k.power(const(2), F(1, 2))
    assert k.equal(k.mul(root, root), const(2))
    assert not k.equal(root, const(F(1414213562, 1000000000)))
    assert k.equal(k.mul(var(("k", "eps")), k.power(var(("k", "eps")), -1)), const(1))


def test_the_trusted_part_is_small_and_keeps_nothing_between_calls() -> None:
    folder = Path(kernel.__file__).parent
    assert sum(code_lines(path.read_text(encoding="utf-8")) for path in folder.glob("*.py")) <= 700
    for module in (algebra, polynomials):
        kept = {n for n, x in vars(module).items() if isinstance(x, dict | list | set) and not n.startswith("__")}
        assert kept <= {"COMPARISONS"}


def test_cases_know_signs_and_nothing_is_the_same_that_differs() -> None:
    k = Algebra()
    z = value("x")
    size_of, sign, positive = k.apply("abs", z), k.apply("sign", z), k.apply("greater", z, {})
    assert k.cases(size_of) == (z, k.sub({}, z))
    assert k.cases(k.sub(k.mul(size_of, sign), z)) == ({}, {})
    assert k.cases(k.sub(size_of, z)) != ({}, {})
    assert k.cases(k.apply("less", {}, z)) == k.cases(positive) == (const(1), {})
    assert k.cases(k.apply("abs", k.sub({}, z))) in ((z, k.sub({}, z)), (k.sub({}, z), z))
    assert k.cases(k.apply("equal", z, {})) == ({}, {})
    assert k.cases(k.sub(k.power(size_of, F(1, 2)), const(1))) is not None
    assert k.cases(z) is None
    assert k.cases(k.mul(size_of, k.apply("abs", value("y")))) is None  # signs of two are four cases
    assert k.cases(k.sum_over([N, D], k.apply("abs", x()))) is None  # each term has its own
    assert k.apply("equal", z, z) == const(1)
    assert k.apply("less", z, z) == {}

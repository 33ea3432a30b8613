"""Noise against its exact distribution, its price against OpenDP's map, and what a hostile vector does."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections import Counter
from decimal import Decimal
from fractions import Fraction

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from sandbox.privacy import mechanisms
from sandbox.privacy.arrow import add_noise
from sandbox.privacy.mechanisms import LARGEST_VALUE, Gaussian, Laplace, Mechanism

FALSE_ALARM = 1e-9  # of one comparison; there are some twenty, and chi-square's far tail is not exact
SAMPLES = 30_000


def probability(noise: Mechanism, k: int) -> float:
    """P(noise = k), from the definition."""
    if isinstance(noise, Laplace):
        q = math.exp(-1 / noise.scale)
        return (1 - q) / (1 + q) * math.exp(-abs(k) / noise.scale)
    reach = max(50, int(40 * noise.scale))
    total = 1 + 2 * math.fsum(math.exp(-((j / noise.scale) ** 2) / 2) for j in range(1, reach))
    return math.exp(-((k / noise.scale) ** 2) / 2) / total


def fits(noise: Mechanism, drawn: list[int]) -> bool:
    """Chi-square test of `drawn` against the exact distribution, tails merged."""
    n = len(drawn)
    edge = 0
    while probability(noise, edge + 1) * n > 10:
        edge += 1
    counts = Counter(max(-edge - 1, min(edge + 1, k)) for k in drawn)
    expected = {k: probability(noise, k) * n for k in range(-edge, edge + 1)}
    beyond = (n - math.fsum(expected.values())) / 2
    if beyond > 5:
        expected |= {edge + 1: beyond, -edge - 1: beyond}
    else:  # too few for a chi-square term of their own: they join the last values
        for sign in (1, -1):
            expected[sign * edge] += beyond
            counts[sign * edge] += counts.pop(sign * (edge + 1), 0)
    statistic = math.fsum((counts[k] - e) ** 2 / e for k, e in expected.items())
    return bool(stats.chi2(len(expected) - 1).sf(statistic) > FALSE_ALARM)


@pytest.mark.parametrize("kind", [Laplace, Gaussian])
@pytest.mark.parametrize(
    ("scale", "value"),
    [(0.4, 0), (1.0, 0), (3.7, 0), (3.7, LARGEST_VALUE), (3.7, -LARGEST_VALUE), (25.0, 0)],
)
def test_noise_has_its_exact_distribution(kind: type[Mechanism], scale: float, value: int) -> None:
    noise = kind(scale)
    assert fits(noise, [y - value for y in noise.add([value] * SAMPLES)])


def test_the_test_can_fail() -> None:
    assert not fits(Laplace(3.7), Laplace(4.5).add([0] * SAMPLES))
    assert not fits(Gaussian(3.7), Gaussian(4.5).add([0] * SAMPLES))
    assert not fits(Laplace(3.7), [abs(k) for k in Laplace(3.7).add([0] * SAMPLES)])


@pytest.mark.parametrize(
    ("noise", "continuous"),
    [(Laplace(1e12), stats.laplace(scale=1e12)), (Gaussian(1e12), stats.norm(scale=1e12))],
)
def test_large_noise_has_its_distribution(noise: Mechanism, continuous) -> None:  # type: ignore[no-untyped-def]
    drawn = noise.add([0] * SAMPLES)
    assert stats.kstest(drawn, continuous.cdf).pvalue > FALSE_ALARM


def test_noise_of_neighbouring_entries_and_pieces_is_independent() -> None:
    drawn = Laplace(50.0).add([0] * (4 * 4096))
    shifts = [1, 4096, 8192]
    n = len(drawn)
    variance = math.fsum(x * x for x in drawn) / n
    for shift in shifts:
        correlation = math.fsum(a * b for a, b in zip(drawn, drawn[shift:], strict=False)) / (variance * n)
        assert abs(correlation) < 6 / math.sqrt(n - shift)


@settings(max_examples=150, deadline=None)
@given(st.floats(2.0**-20, 2.0**55), st.integers(0, 2**63 - 1))
def test_the_price_of_laplace_is_never_below_opendps_map(scale: float, l1: int) -> None:
    charged = Laplace(scale).epsilon(l1)
    claimed = Decimal(mechanisms._laplace(scale).map(l1))
    assert charged >= claimed
    assert Fraction(charged) - Fraction(claimed) < Fraction(1, 10**12)
    assert Fraction(charged) * Fraction(scale) >= l1


@settings(max_examples=150, deadline=None)
@given(st.floats(2.0**-20, 2.0**55), st.floats(0, 2.0**62))
def test_the_price_of_gaussian_is_never_below_opendps_map(scale: float, l2: float) -> None:
    charged = Gaussian(scale).rho(l2)
    claimed = Decimal(mechanisms._gaussian(scale).map(l2))
    assert charged >= claimed
    assert Fraction(charged) - Fraction(claimed) < Fraction(1, 10**12)


def test_the_loss_says_whether_it_is_pure() -> None:
    assert Laplace(2.0).loss(1).epsilon == Decimal("0.5")
    assert Laplace(2.0).loss(1).rho == Decimal("0.125")
    assert Gaussian(2.0).loss(1.0).epsilon is None
    assert Gaussian(2.0).loss(1.0).rho == Decimal("0.125")


@pytest.mark.parametrize("kind", [Laplace, Gaussian])
@pytest.mark.parametrize("scale", [0.0, -1.0, math.inf, math.nan, 2.0**-21, 2.0**55 * 1.01, 5e-324])
def test_a_scale_that_is_no_noise_or_too_much_is_refused(kind: type[Mechanism], scale: float) -> None:
    with pytest.raises(ValueError, match="scale"):
        kind(scale)


@pytest.mark.parametrize("kind", [Laplace, Gaussian])
@pytest.mark.parametrize("value", [LARGEST_VALUE + 1, -LARGEST_VALUE - 1, 2**63 - 1, -(2**63), 2**80])
def test_values_beyond_the_bound_are_refused(kind: type[Mechanism], value: int) -> None:
    with pytest.raises(ValueError, match=r"2\*\*62"):
        kind(1.0).add([0, value])


@pytest.mark.parametrize("kind", [Laplace, Gaussian])
def test_the_largest_values_under_the_largest_noise_do_not_saturate(kind: type[Mechanism]) -> None:
    noise = kind(2.0**55)
    for value in (LARGEST_VALUE, -LARGEST_VALUE):
        drawn = noise.add([value] * 500)
        assert max(drawn) < 2**63 - 1
        assert min(drawn) > -(2**63)
        assert min(drawn) < value < max(drawn)


@pytest.mark.parametrize("values", [[0.5], ["1"], [None], [Decimal(1)]])
def test_only_whole_numbers_get_noise(values: list[object]) -> None:
    with pytest.raises(TypeError):
        Laplace(1.0).add(values)  # type: ignore[arg-type]


def test_nothing_gets_no_noise() -> None:
    assert Laplace(1.0).add([]) == []
    assert add_noise(Gaussian(1.0), pa.array([], pa.int64())).to_pylist() == []


@pytest.mark.parametrize("n", [1, 4095, 4096, 4097, 12_345])
def test_pieces_keep_order_and_length(n: int) -> None:
    done: list[int] = []
    noisy = Laplace(2.0**-20).add(list(range(n)), done.append)
    assert noisy == list(range(n))
    assert done[-1] == n
    assert done == sorted(set(done))


def test_arrow_arrays_get_the_same_noise() -> None:
    noisy = add_noise(Gaussian(2.0**-20), pa.array(range(5000), pa.int64()).slice(10))
    assert noisy.type == pa.int64()
    assert noisy.to_pylist() == list(range(10, 5000))
    for bad in (pa.array([1, None]), pa.array([1], pa.int32()), pa.array([1.0])):
        with pytest.raises(ValueError, match="int64"):
            add_noise(Laplace(1.0), bad)


FORKS = """
import json, multiprocessing, sys
from sandbox.privacy.mechanisms import Laplace

def draw(queue):
    queue.put(Laplace(1e12).add([0] * 5000))

drawn = [Laplace(1e12).add([0] * 5000)]
context = multiprocessing.get_context("fork")
queue = context.Queue()
children = [context.Process(target=draw, args=(queue,)) for _ in range(2)]
for child in children:
    child.start()
drawn += [queue.get(timeout=120) for _ in children]
for child in children:
    child.join(120)
json.dump([*drawn, Laplace(1e12).add([0] * 5000)], sys.stdout)
"""


def test_forked_processes_draw_their_own_noise() -> None:
    """In a process of its own: one with threads, as that of these tests, must not be forked."""
    out = subprocess.run([sys.executable, "-c", FORKS], capture_output=True, text=True, check=True).stdout
    _, one, other, mine = json.loads(out)
    assert len({*one, *other, *mine}) > 14_900


def test_honest_but_curious_and_floating_noise_stay_off() -> None:
    script = "import sandbox.privacy.mechanisms, opendp.mod as m;print(sorted(m.GLOBAL_FEATURES))"
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "['contrib']"

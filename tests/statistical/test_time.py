"""Whether one person is in a table cannot be told from how long an answer takes.

What may tell is named in the privacy promise (joins that multiply rows). One person among a thousand in a
plain question must not show. Processor time is compared: on a busy machine the clock on the wall would
hide more.
"""

from __future__ import annotations

import time
from decimal import Decimal

import pytest
from scipy import stats

from sandbox.service import home as homes
from sandbox.service import opc
from tests.query.instance import li, make, open_instance
from tests.statistical import unlikely

pytestmark = pytest.mark.long
ROUNDS = 150
QUESTIONS = {
    "a filter that one person meets": "SELECT COUNT(*) AS n FROM people WHERE age = 47 AND age >= -{n}",
    "a grouped mean": "SELECT grp, AVG(score) AS a FROM people WHERE age >= -{n} GROUP BY grp",
    "a join": "SELECT COUNT(*) AS n FROM people JOIN visits ON id = pid WHERE age = 47 AND age >= -{n}",
    "a division by zero for one": "SELECT SUM(age // (age - 47)) AS s FROM people WHERE age >= -{n}",
}


@pytest.mark.parametrize("what", QUESTIONS)
def test_a_t_test_cannot_tell_neighbours_apart_by_time(
    tmp_path_factory: pytest.TempPathFactory, what: str
) -> None:
    taken: list[list[float]] = [[], []]
    opened = []
    for without in (None, 47):
        folder = tmp_path_factory.mktemp("time")
        make(folder, units=1000, without=without)
        opened.append(open_instance(folder))
    try:
        for n in range(ROUNDS + 5):
            # Taking turns in going first: who goes second finds the question's plan made.
            for home, times in list(zip(opened, taken, strict=True))[:: 1 if n % 2 else -1]:
                began = time.process_time()
                opc.ask(home, li(home), QUESTIONS[what].format(n=n), "g", Decimal("0.05"))
                times.append(time.process_time() - began)
    finally:
        for home in opened:
            homes.close(home)
    warm = [times[5:] for times in taken]
    assert not unlikely(float(stats.ttest_ind(*warm, equal_var=False).pvalue))

"""TPC-H's questions in the form in which they can be asked of protected customers.

Q1, Q6, Q12, Q14 and Q19 are TPC-H's own. The others ask for single orders or customers, which no private
answer gives, or join more open tables than a question may; they are the nearest question about groups: Q3 by
the day of the order, Q5 with its region by number, Q10 by the nation of the customer, Q18 how many
orders are that large and what they hold. Both sides of a comparison run the same text.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

PRICE = "l_extendedprice * (1 - l_discount)"


@dataclass(frozen=True, slots=True)
class TpchQuestion:
    """One question: its text with `{lineitem}` for a table and `{day}` for a date, another in each round."""

    name: str
    sql: str
    first: date

    def text(self, tables: dict[str, str], number: int) -> str:
        """The question of one round."""
        return self.sql.format(day=self.first + timedelta(days=number), **tables)


QUESTIONS = (
    TpchQuestion(
        "Q1",
        """
SELECT l_returnflag, l_linestatus, sum(l_quantity) AS sum_qty, sum(l_extendedprice) AS sum_base_price,
       sum(l_extendedprice * (1 - l_discount)) AS sum_disc_price,
       sum(l_extendedprice * (1 - l_discount) * (1 + l_tax)) AS sum_charge,
       avg(l_quantity) AS avg_qty, avg(l_extendedprice) AS avg_price, avg(l_discount) AS avg_disc,
       count(*) AS count_order
FROM {lineitem} WHERE l_shipdate <= date '{day}'
GROUP BY l_returnflag, l_linestatus ORDER BY l_returnflag, l_linestatus
""",
        date(1998, 8, 15),
    ),
    TpchQuestion(
        "Q3",
        f"""
SELECT o_orderdate, o_shippriority, sum({PRICE}) AS revenue
FROM {{customer}}, {{orders}}, {{lineitem}}
WHERE c_mktsegment = 'BUILDING' AND c_custkey = o_custkey AND l_orderkey = o_orderkey
  AND o_orderdate < date '{{day}}' AND l_shipdate > date '{{day}}'
GROUP BY o_orderdate, o_shippriority ORDER BY revenue DESC, o_orderdate LIMIT 10
""",
        date(1995, 3, 1),
    ),
    TpchQuestion(
        "Q5",
        f"""
SELECT n_name, sum({PRICE}) AS revenue
FROM {{customer}}, {{orders}}, {{lineitem}}, {{supplier}}, {{nation}}
WHERE c_custkey = o_custkey AND l_orderkey = o_orderkey AND l_suppkey = s_suppkey
  AND c_nationkey = s_nationkey AND s_nationkey = n_nationkey AND n_regionkey = 2
  AND o_orderdate >= date '{{day}}' AND o_orderdate < date '1995-01-01'
GROUP BY n_name ORDER BY revenue DESC
""",
        date(1994, 1, 1),
    ),
    TpchQuestion(
        "Q6",
        """
SELECT sum(l_extendedprice * l_discount) AS revenue
FROM {lineitem} WHERE l_shipdate >= date '{day}' AND l_shipdate < date '1995-01-01'
  AND l_discount BETWEEN 0.05 AND 0.07 AND l_quantity < 24
""",
        date(1994, 1, 1),
    ),
    TpchQuestion(
        "Q10",
        f"""
SELECT n_name, sum({PRICE}) AS revenue, count(DISTINCT c_custkey) AS customers
FROM {{customer}}, {{orders}}, {{lineitem}}, {{nation}}
WHERE c_custkey = o_custkey AND l_orderkey = o_orderkey AND c_nationkey = n_nationkey
  AND o_orderdate >= date '{{day}}' AND o_orderdate < date '1994-01-01' AND l_returnflag = 'R'
GROUP BY n_name ORDER BY revenue DESC
""",
        date(1993, 10, 1),
    ),
    TpchQuestion(
        "Q12",
        """
SELECT l_shipmode,
       sum(CASE WHEN o_orderpriority = '1-URGENT' OR o_orderpriority = '2-HIGH' THEN 1 ELSE 0 END) AS high,
       sum(CASE WHEN o_orderpriority <> '1-URGENT' AND o_orderpriority <> '2-HIGH' THEN 1 ELSE 0 END) AS low
FROM {orders}, {lineitem}
WHERE o_orderkey = l_orderkey AND l_shipmode IN ('MAIL', 'SHIP') AND l_commitdate < l_receiptdate
  AND l_shipdate < l_commitdate AND l_receiptdate >= date '{day}' AND l_receiptdate < date '1995-01-01'
GROUP BY l_shipmode ORDER BY l_shipmode
""",
        date(1994, 1, 1),
    ),
    TpchQuestion(
        "Q14",
        f"""
SELECT 100.00 * sum(CASE WHEN p_type LIKE 'PROMO%' THEN {PRICE} ELSE 0 END) / sum({PRICE}) AS promo_revenue
FROM {{lineitem}}, {{part}}
WHERE l_partkey = p_partkey AND l_shipdate >= date '{{day}}' AND l_shipdate < date '1995-10-01'
""",
        date(1995, 9, 1),
    ),
    TpchQuestion(
        "Q18",
        """
SELECT count(*) AS orders, sum(quantity) AS quantity
FROM (SELECT o_custkey, o_orderkey, sum(l_quantity) AS quantity FROM {orders}, {lineitem}
      WHERE o_orderkey = l_orderkey AND o_orderdate >= date '{day}'
      GROUP BY o_custkey, o_orderkey HAVING sum(l_quantity) > 300) AS large
""",
        date(1992, 1, 1),
    ),
    TpchQuestion(
        "Q19",
        f"""
SELECT sum({PRICE}) AS revenue FROM {{lineitem}}, {{part}}
WHERE p_partkey = l_partkey AND l_shipdate >= date '{{day}}' AND l_shipmode IN ('AIR', 'AIR REG')
  AND l_shipinstruct = 'DELIVER IN PERSON' AND (
   (p_brand = 'Brand#12' AND p_container IN ('SM CASE', 'SM BOX', 'SM PACK', 'SM PKG')
    AND l_quantity BETWEEN 1 AND 11 AND p_size BETWEEN 1 AND 5)
   OR (p_brand = 'Brand#23' AND p_container IN ('MED BAG', 'MED BOX', 'MED PKG', 'MED PACK')
    AND l_quantity BETWEEN 10 AND 20 AND p_size BETWEEN 1 AND 10)
   OR (p_brand = 'Brand#34' AND p_container IN ('LG CASE', 'LG BOX', 'LG PACK', 'LG PKG')
    AND l_quantity BETWEEN 20 AND 30 AND p_size BETWEEN 1 AND 15))
""",
        date(1992, 1, 1),
    ),
)

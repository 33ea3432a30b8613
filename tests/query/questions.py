"""Random questions that are accepted, for property tests: every feature of the SQL room, mixed freely."""

from __future__ import annotations

from hypothesis import strategies as st

PEOPLE_KEYS = [
    "(SELECT mark FROM cities AS o WHERE o.city = people.city)",
    "LEAST((SELECT COUNT(*) FROM visits AS x WHERE x.pid = id), 3)",
    "grp",
    "member",
    "people.city",
    "key_only",
    "CASE WHEN age < 40 THEN 'young' ELSE 'old' END",
    "age",
    "EXTRACT(month FROM born)",
    "age > 30",
    "YEAR(born)",
    "FLOOR(age / 10) * 10",
    "age // 7 + 1",
    "CEIL(weight / 25)",
    "WIDTH_BUCKET(age, 10, 90, 4)",
]
VISIT_KEYS = [
    "place IN (SELECT city FROM cities WHERE size = 2)",
    "kind",
    "place",
    "days > 0",
    "CASE WHEN cost > 5 THEN kind END",
    "date_trunc('year', seen)",
    "FLOOR(cost / 0.5) * 0.5",
    "days // 7",
    "WIDTH_BUCKET(cost, -2.5, 12, 3)",
    "level",
]
# Keys of two tables at once: the same for all rows of a unit only if both sides are.
JOIN_KEYS = ["NULLIF(age, days)", "COALESCE(level > 0, member)", "CASE days WHEN age THEN grp END"]
PEOPLE_NUMBERS = [
    "age",
    "score",
    "weight",
    "CAST(member AS INT)",
    "LEAST(GREATEST(LENGTH(people.city), 1), 8)",
]
# Values of few cells, whose quantiles are exact in value; MIN and MAX without noise are the outermost.
PEOPLE_QUANTILES = ["age", "age - 7", "CAST(member AS INT)"]
VISIT_QUANTILES = ["days", "days // 3", "LEAST(GREATEST(level, -3), 3)"]
# Values of which a histogram counts each, or bins of them.
PEOPLE_COUNTED = [
    "grp",
    "member",
    "age // 20",
    "age, [20, 50]",
    "people.city, ['oslo', 'p']",
    "weight, [-1.5, 50, 120]",
]
VISIT_COUNTED = [
    "kind",
    "days > 0",
    "days // 25",
    "cost, [1, 2.5]",
]
VISIT_NUMBERS = [
    "days",
    "LEAST(GREATEST((SELECT size FROM cities AS o WHERE o.city = place), 0), 5)",
    "cost",
    "LENGTH(kind)",
    "LEAST(GREATEST(level, -3), 3)",
]
PEOPLE_TESTS = [
    "people.city IN (SELECT city FROM regions WHERE size > 1)",
    "NOT people.city IN (SELECT city FROM cities WHERE size < 3 OR mark = 'r')",
    "EXISTS (SELECT 1 FROM regions AS o WHERE o.city = people.city AND o.size > 1)",
    "(SELECT size FROM cities AS o WHERE o.city = people.city) = 1",
    "age > (SELECT AVG(size) * 20 FROM regions)",
    "(SELECT age FROM people AS again WHERE again.id = people.id AND again.member) > 30",
    "age > 30",
    "score <= 1.5",
    "member",
    "NOT member",
    "grp IN ('a', 'b')",
    "people.city LIKE 'r%'",
    "(people.city = 'rome' OR people.city IN ('k''o', 'no'))",
    "born >= DATE '2000-01-01'",
    "age IS NOT NULL",
    "weight BETWEEN 10 AND 90",
    "filter_only = 3",
    "id IN (SELECT pid FROM visits WHERE cost > 5)",
    "10 / (age + 1) > 0.3",
    "age BETWEEN 20 AND 60 AND 1.5 < score AND weight <= 150.5",
    "born >= '1995-01-01' AND born < DATE '2015-06-01'",
    "age IN (7, 30, 55) AND NOT age = 30",
    "age // filter_only = 2",
    "age % 7 = 3",
    "born < '1999-05-05'",
    "EXISTS (SELECT 1 FROM visits AS x WHERE x.pid = id AND x.days > 0)",
    "NOT EXISTS (SELECT * FROM visits AS x WHERE id = x.pid AND x.cost > 5)",
    "(SELECT COUNT(*) FROM visits AS x WHERE x.pid = id) > 1",
    "age > (SELECT COALESCE(MAX(x.days), 40) FROM visits AS x WHERE x.pid = id)",
]
VISIT_TESTS = [
    "place IN (SELECT c.city FROM cities AS c LEFT JOIN regions AS o USING (city) WHERE o.size IS NULL)",
    "NOT EXISTS (SELECT 1 FROM cities AS o WHERE o.size = visits.level AND o.mark = visits.kind)",
    "(SELECT MAX(size) FROM cities AS o WHERE o.mark = visits.kind) > 1",
    "(SELECT COUNT(*) FROM visits AS o WHERE o.pid = visits.pid AND o.kind = visits.kind) > 1",
    "days > 0",
    "cost < 9.5",
    "kind <> 'p'",
    "place = 'u'",
    "place IN ('x', 'v', 'none')",
    "level IS NULL",
    "cost * days > 10",
    "days > -20 AND 30 >= days AND cost < 7.0005",
    "level BETWEEN -2 AND 3 OR level = 5",
    "level >= -2 AND level < 4",
    "seen BETWEEN '1999-01-01' AND TIMESTAMP '2012-01-01 12:00:00'",
    "seen > TIMESTAMP '2000-01-01 00:00:00'",
    "LENGTH(place) = 1",
    "NOT pid IN (SELECT id FROM people WHERE age > 30)",
    "COALESCE(level, 0) < 2",
]


@st.composite
def numbers(draw: st.DrawFn, names: list[str], depth: int = 2) -> str:
    """A numeric expression with public bounds."""
    if depth == 0 or draw(st.integers(0, 2)) == 0:
        return draw(st.sampled_from([*names, "1", "2.5", "0"]))
    a = draw(numbers(names, depth - 1))
    b = draw(numbers(names, depth - 1))
    form = draw(
        st.sampled_from(
            [
                "({a} + {b})",
                "({a} - {b})",
                "({a} * {b})",
                "(-{a})",
                "ABS({a})",
                "ROUND({a})",
                "FLOOR({a})",
                "COALESCE({a}, {b})",
                "CASE WHEN {a} > {b} THEN {a} ELSE {b} END",
                "LEAST({a}, {b})",
                "GREATEST({a}, {b})",
                "NULLIF({a}, {b})",
                "CAST({a} AS DOUBLE)",
                "({a} / 4)",
            ]
        )
    )
    return str(form.format(a=a, b=b))


@st.composite
def questions(draw: st.DrawFn, *, spread: bool = True) -> str:
    """One accepted question; `spread`: with variances and the like, which take long, and MODE, which ties."""
    shape = draw(st.sampled_from(["people", "visits", "join"]))
    keys = {"people": PEOPLE_KEYS, "visits": VISIT_KEYS, "join": PEOPLE_KEYS + VISIT_KEYS + JOIN_KEYS}[shape]
    names = {"people": PEOPLE_NUMBERS, "visits": VISIT_NUMBERS, "join": PEOPLE_NUMBERS + VISIT_NUMBERS}[shape]
    tests = {"people": PEOPLE_TESTS, "visits": VISIT_TESTS, "join": PEOPLE_TESTS + VISIT_TESTS}[shape]
    ranked = {
        "people": PEOPLE_QUANTILES,
        "visits": VISIT_QUANTILES,
        "join": PEOPLE_QUANTILES + VISIT_QUANTILES,
    }[shape]
    both = PEOPLE_COUNTED + VISIT_COUNTED
    by_value = {"people": PEOPLE_COUNTED, "visits": VISIT_COUNTED, "join": both}[shape]
    if spread and shape != "people":
        by_value = [
            *by_value,
            "seen, [TIMESTAMP '2000-01-01 00:00:00']",
        ]  # plain DuckDB names an endless time
    unit = "id" if shape != "visits" else "pid"
    source = {
        "people": "people",
        "visits": draw(st.sampled_from(["visits"] * 4 + TOGETHER)),
        "join": draw(
            st.sampled_from(
                [
                    "people JOIN visits ON id = pid",
                    "people, visits WHERE id = pid",
                    "people LEFT JOIN visits ON id = pid AND days > 0",
                    "visits RIGHT JOIN people ON id = pid AND cost > 2",
                    "people RIGHT JOIN visits ON id = pid LEFT JOIN regions ON regions.city = people.city",
                    "visits LEFT JOIN people ON pid = id AND cost > 2",
                    "regions JOIN people ON regions.city = people.city JOIN visits ON id = pid",
                    "regions JOIN people ON regions.city = people.city LEFT JOIN visits ON id = pid",
                    "people JOIN visits ON id = pid LEFT JOIN regions ON people.city = regions.city",
                    "people JOIN visits ON id = pid JOIN cities ON place = cities.city",
                    "people, visits, cities WHERE id = pid AND level = size AND mark = kind",
                    "people JOIN visits ON id = pid LEFT JOIN cities ON level = size AND kind = mark",
                    "people LEFT JOIN cities ON people.city = cities.city JOIN visits ON id = pid",
                    "cities JOIN regions ON cities.city = regions.city JOIN people "
                    "ON regions.city = people.city JOIN visits ON id = pid",
                    "visits JOIN (SELECT pid AS o FROM visits) AS more ON pid = o JOIN people ON id = pid",
                    "(SELECT * FROM people WHERE age > 1) AS people JOIN visits ON people.id = visits.pid",
                ]
            )
        ),
    }[shape]
    if source.startswith("people RIGHT"):
        unit = "pid"
    elif source.startswith("visits RIGHT"):
        unit = "id"
    elif source.startswith("visits") or "LEFT JOIN visits" in source:
        unit = "pid" if source.startswith("visits") else "id"
    conditions = draw(st.lists(st.sampled_from(tests), max_size=2))
    group = draw(st.lists(st.sampled_from(keys), max_size=2, unique=True))
    aggregates = []
    for i in range(draw(st.integers(1, 3))):
        number = draw(numbers(names))
        value = draw(st.sampled_from(ranked))
        counted = draw(st.sampled_from(by_value))
        call = draw(
            st.sampled_from(
                [
                    f"MEDIAN({value})",
                    f"QUANTILE_CONT({value}, 0.3)",
                    f"QUANTILE_DISC({value}, 0.8)",
                    f"MIN({value})",
                    f"MAX({value}) - MIN({value})",
                    *[f"HISTOGRAM({counted})"] * 3,
                    *(
                        [
                            "COUNT(*)",
                            f"COUNT({number})",
                            f"COUNT(DISTINCT {unit})",
                            f"COUNT(DISTINCT {draw(st.sampled_from([number, *keys]))})",
                            f"SUM({number})",
                            f"AVG({number})",
                            f"SUM({number}) / COUNT(*)",
                        ]
                        * 3  # the ones below take long
                    ),
                    *(
                        [
                            f"STDDEV({number})",
                            f"VAR_POP({number})",
                            f"CORR({number}, {names[0]})",
                            f"COVAR_POP({names[1]}, {number})",
                            f"MODE({draw(st.sampled_from([v for v in by_value if '[' not in v]))})",
                        ]
                        if spread
                        else []
                    ),
                ]
            )
        )
        if ") / " not in call and ") - " not in call and draw(st.booleans()):
            call += f" FILTER (WHERE {draw(st.sampled_from(tests))})"
        aggregates.append(f"{call} AS a{i}")
    where = " AND ".join(conditions)
    sql = f"SELECT {', '.join([*(f'{k} AS g{i}' for i, k in enumerate(group)), *aggregates])} FROM {source}"
    if where:
        sql += (" AND " if "WHERE id" in source else " WHERE ") + f"({where})"
    if group:
        forms = ["{}"] * 4 + ["ROLLUP ({})", "CUBE ({})", "GROUPING SETS (({}), ())"]
        form = draw(st.sampled_from(forms))
        # The parser reads no comparison as it stands inside ROLLUP (…).
        sql += " GROUP BY " + form.format(
            ", ".join(group if form == "{}" else [_bracketed(k) for k in group])
        )
    return sql


def _bracketed(key: str) -> str:
    return key if key.startswith("(SELECT") else f"({key})"


VISIT_COLUMNS = "pid, days, kind, place, cost, level, seen"
_VISITS = f"SELECT {VISIT_COLUMNS} FROM visits"
TOGETHER = [
    f"({_VISITS} WHERE days > 0 UNION ALL {_VISITS} WHERE cost < 5) AS visits",
    f"({_VISITS} WHERE days > 0 UNION {_VISITS} WHERE cost < 5) AS visits",
    f"({_VISITS} EXCEPT {_VISITS} WHERE days > 0) AS visits",
    f"({_VISITS} INTERSECT ALL {_VISITS} WHERE cost < 8) AS visits",
    "(SELECT id AS pid, age AS days, grp AS kind, city AS place, score AS cost, age AS level, born AS seen"
    f" FROM people UNION ALL {_VISITS}) AS visits",
]
WINDOWED = ["days", "cost", "LEAST(GREATEST(level, -3), 3)", "LENGTH(place)"]
EVERY_COLUMN = "days, cost, kind, place, level, seen"
FRAMES = [
    "",
    "ROWS BETWEEN 1 PRECEDING AND CURRENT ROW",
    "ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING",
    "RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
]


@st.composite
def windowed_questions(draw: st.DrawFn, *, settled: bool = False) -> str:
    """Windows within a unit, aggregated above; `settled`: no two different rows tie in their order."""
    source = draw(st.sampled_from(["visits", "visits JOIN people ON id = pid"]))
    outputs = ["pid AS u", "kind"]
    for name in ("s", "t"):
        value = draw(st.sampled_from([*WINDOWED, *(["age"] if source != "visits" else [])]))
        order = draw(st.sampled_from(["days", "seen DESC", "kind, cost DESC NULLS FIRST"]))
        ties = f", {EVERY_COLUMN}" if settled else ""
        over = f"PARTITION BY {draw(st.sampled_from(['pid', 'pid, kind', 'days > 0, pid']))}"
        call = draw(
            st.sampled_from(
                [
                    f"SUM({value})",
                    f"COUNT({value})",
                    f"COUNT(*) FILTER (WHERE {value} > 1)",
                    f"MAX({value})",
                    f"AVG({value})",
                    "ROW_NUMBER()",
                    "RANK()",
                    "DENSE_RANK()",
                    "PERCENT_RANK()",
                    "NTILE(2)",
                    f"LAG({value})",
                    f"LEAD({value}, 2, 1)",
                    f"FIRST_VALUE({value})",
                    f"LAST_VALUE({value})",
                    f"NTH_VALUE({value}, 2)",
                ]
            )
        )
        if call.startswith(("SUM", "COUNT", "MAX", "AVG")):
            frame = draw(st.sampled_from(FRAMES))
            if frame or draw(st.booleans()):
                over += f" ORDER BY {order}{ties if 'ROWS' in frame else ''} {frame}"
        else:
            over += f" ORDER BY {order}{'' if 'RANK' in call else ties}"
        outputs.append(f"LEAST(GREATEST({call} OVER ({over}), -60), 60) AS {name}")
    first = f"ROW_NUMBER() OVER (PARTITION BY pid ORDER BY seen{f', {EVERY_COLUMN}' if settled else ''})"
    inner = f"SELECT {', '.join([*outputs, f'{first} AS r'])} FROM {source}"
    if draw(st.booleans()):
        inner += f" WHERE {draw(st.sampled_from(VISIT_TESTS[:6]))}"
    if draw(st.integers(0, 3)) == 0:
        inner += f" QUALIFY {first} <= 2"
    group = draw(st.lists(st.sampled_from(["kind", "s > 1"]), max_size=2, unique=True))
    calls = draw(
        st.lists(
            st.sampled_from(["COUNT(*) AS n", "SUM(s) AS a", "SUM(t + s) AS b", "COUNT(DISTINCT u) AS c"]),
            min_size=1,
            max_size=3,
            unique=True,
        )
    )
    sql = f"SELECT {', '.join([*(f'{k} AS g{i}' for i, k in enumerate(group)), *calls])} FROM ({inner}) AS q"
    if draw(st.integers(0, 2)) == 0:
        sql += draw(st.sampled_from([" WHERE r = 1", " WHERE r < 3 AND t > 0", " WHERE r <= 2 OR s > 1"]))
    return sql + (" GROUP BY " + ", ".join(group) if group else "")


@st.composite
def nested_questions(draw: st.DrawFn) -> str:
    """Aggregates per unit below the boundary, aggregated again above it."""
    source = draw(
        st.sampled_from(["visits", "visits JOIN people ON id = pid", "people LEFT JOIN visits ON id = pid"])
    )
    unit = "id" if source.startswith("people") else "pid"
    names = VISIT_NUMBERS if source == "visits" else [*VISIT_NUMBERS, *PEOPLE_NUMBERS]
    inner = [f"{unit} AS u"]
    for name in ("s", "t"):
        number = draw(numbers(names, 1))
        call = draw(
            st.sampled_from(
                [
                    f"SUM({number})",
                    f"AVG({number})",
                    f"MAX({number})",
                    f"MIN({number})",
                    f"MEDIAN(CAST({number} AS DOUBLE))",
                    f"QUANTILE_DISC({number}, 0.3)",
                    "COUNT_IF(days > 0)",
                    "COUNT(*)",
                    f"COUNT({number})",
                    "COUNT(DISTINCT kind)",
                    f"SUM({number}) FILTER (WHERE days > 0)",
                ]
            )
        )
        inner.append(f"{call} AS {name}")
    further = draw(st.sampled_from(["", "kind", "days > 0"]))
    if further:
        inner.append(f"{further} AS f")
    sql = f"SELECT {', '.join(inner)} FROM {source}"
    if draw(st.booleans()):
        sql += f" WHERE {draw(st.sampled_from(VISIT_TESTS[:6]))}"
    sql += f" GROUP BY {unit}" + (f", {further}" if further else "")
    if draw(st.booleans()):
        sql += " HAVING COUNT(*) > 1"
    keys = ["CASE WHEN s > 1 THEN 'much' ELSE 'little' END", *(["f"] if further else [])]
    group = draw(st.lists(st.sampled_from(keys), max_size=2, unique=True))
    outer = [f"{k} AS g{i}" for i, k in enumerate(group)]
    outer += draw(
        st.lists(
            st.sampled_from(
                ["COUNT(*) AS n", "AVG(s) AS a", "SUM(t) AS b", "COUNT(DISTINCT u) AS c", "SUM(s + t) AS d"]
            ),
            min_size=1,
            max_size=3,
            unique=True,
        )
    )
    sql = f"SELECT {', '.join(outer)} FROM ({sql}) AS q"
    if draw(st.booleans()):
        sql += " WHERE t > 0 OR s IS NULL"
    return sql + (" GROUP BY " + ", ".join(group) if group else "")

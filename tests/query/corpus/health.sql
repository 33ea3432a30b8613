-- # People and years
SELECT COUNT(*) AS rows, COUNT(DISTINCT zper) AS people FROM years;

-- # Medical spending by coinsurance
SELECT coins, AVG(meddol) AS spent FROM years GROUP BY coins ORDER BY coins;

-- # Visits by coinsurance
SELECT coins, AVG(mdvis) AS visits, STDDEV(mdvis) AS sd FROM years GROUP BY coins;

-- # Spending by year
SELECT year, AVG(meddol) AS mean, SUM(meddol) AS total FROM years GROUP BY year ORDER BY year;

-- # Spending by kind
SELECT AVG(outpdol) AS outpatient, AVG(drugdol) AS drugs, AVG(inpdol) AS inpatient FROM years;

-- # Share of spending on drugs
SELECT SUM(drugdol) / SUM(meddol) AS share FROM years;

-- # Years without any visit
SELECT AVG(CASE WHEN mdvis = 0 THEN 1 ELSE 0 END) AS share FROM years;

-- # Admissions by site
SELECT site, SUM(totadm) AS admissions, COUNT(DISTINCT zper) AS people FROM years GROUP BY site;

-- # Spending of a person over all years
SELECT AVG(total) AS mean, STDDEV(total) AS sd FROM (SELECT zper, SUM(meddol) AS total FROM years GROUP BY zper) t;

-- # People who never saw a doctor
SELECT COUNT(*) AS n FROM (SELECT zper, SUM(mdvis) AS v FROM years GROUP BY zper) t WHERE v = 0;

-- # Change of spending from year to year
SELECT AVG(meddol - before) AS step FROM (SELECT meddol, LAG(meddol) OVER (PARTITION BY zper ORDER BY year) AS before FROM years) t WHERE before IS NOT NULL;

-- # Income and spending
SELECT CORR(income, meddol) AS r FROM years;

-- # Log spending and log income
SELECT REGR_SLOPE(LN(meddol + 1), linc) AS slope FROM years;

-- # Children and adults
SELECT child, AVG(mdvis) AS visits, AVG(meddol) AS spent FROM years GROUP BY child;

-- # Women of child-bearing age
SELECT COUNT(DISTINCT zper) AS n FROM years WHERE female = 1 AND xage BETWEEN 15 AND 45;

-- # Median spending by plan
SELECT plan, MEDIAN(meddol) AS med FROM years GROUP BY plan;

-- # The top percentile of spending
SELECT QUANTILE_CONT(meddol, 0.99) AS p99 FROM years;

-- # Ages in decades
SELECT FLOOR(xage / 10) AS decade, COUNT(*) AS n FROM years GROUP BY decade ORDER BY decade;

-- # Years of education by sex
SELECT female, AVG(educdec) AS years FROM years GROUP BY female;

-- # Income in thousands, rounded
SELECT ROUND(income / 1000) AS thousands, COUNT(*) AS n FROM years GROUP BY thousands ORDER BY thousands;

-- # Good health by plan
SELECT plan, AVG(hlthg) AS good FROM years WHERE year = 1 GROUP BY plan;

-- # Free care against any cost sharing
SELECT CASE WHEN coins = 0 THEN 'free' ELSE 'shared' END AS plan, AVG(mdvis) AS visits, COUNT(DISTINCT zper) AS people FROM years GROUP BY 1;

-- # First-year and later spending of the same people
WITH y AS (SELECT zper, SUM(CASE WHEN year = 1 THEN meddol ELSE 0 END) AS first_year, SUM(CASE WHEN year > 1 THEN meddol ELSE 0 END) AS later FROM years GROUP BY zper) SELECT CORR(first_year, later) AS r FROM y;

-- # The square root of visits
SELECT AVG(SQRT(mdvis)) AS mean_root FROM years;

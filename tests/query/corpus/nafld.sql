-- # How many patients are there?
SELECT COUNT(*) AS patients FROM people;

-- # How many men and women?
SELECT male, COUNT(*) AS n FROM people GROUP BY male;

-- # What is the mean age, and its spread?
SELECT AVG(age) AS mean_age, STDDEV(age) AS sd FROM people;

-- # What share of patients died?
SELECT AVG(status) AS death_rate FROM people;

-- # Deaths by age band
SELECT CASE WHEN age < 40 THEN '<40' WHEN age < 60 THEN '40-59' WHEN age < 75 THEN '60-74' ELSE '75+' END AS band, COUNT(*) AS patients, SUM(status) AS deaths FROM people GROUP BY 1 ORDER BY 1;

-- # Age in decades
SELECT FLOOR(age / 10) * 10 AS decade, COUNT(*) AS n FROM people GROUP BY decade ORDER BY decade;

-- # Age in decades, with whole-number division
SELECT age // 10 AS decade, COUNT(*) FROM people GROUP BY age // 10 ORDER BY 1;

-- # The median age
SELECT MEDIAN(age) AS median_age FROM people;

-- # Quartiles of BMI
SELECT quantile_cont(bmi, [0.25, 0.5, 0.75]) AS quartiles FROM people;

-- # The 95th percentile of BMI by sex
SELECT male, quantile_cont(bmi, 0.95) AS p95 FROM people GROUP BY male;

-- # The youngest and oldest
SELECT MIN(age) AS youngest, MAX(age) AS oldest FROM people;

-- # How many are obese?
SELECT COUNT(*) FILTER (WHERE bmi >= 30) AS obese, COUNT(*) AS all_patients FROM people;

-- # Share of obese by sex
SELECT male, ROUND(100.0 * SUM(CASE WHEN bmi >= 30 THEN 1 ELSE 0 END) / COUNT(bmi), 1) AS percent FROM people GROUP BY male;

-- # WHO classes of BMI
SELECT CASE WHEN bmi < 18.5 THEN 'underweight' WHEN bmi < 25 THEN 'normal' WHEN bmi < 30 THEN 'overweight' WHEN bmi IS NULL THEN 'unknown' ELSE 'obese' END AS class, COUNT(*) AS n, AVG(age) AS mean_age FROM people GROUP BY class ORDER BY n DESC;

-- # How often is BMI missing?
SELECT SUM(CASE WHEN bmi IS NULL THEN 1 ELSE 0 END) * 1.0 / COUNT(*) AS missing FROM people;

-- # Does the stored BMI agree with weight and height?
SELECT AVG(weight / POWER(height / 100, 2)) AS computed, AVG(bmi) AS stored FROM people WHERE height > 0;

-- # Correlation of age and BMI
SELECT CORR(age, bmi) AS r, REGR_SLOPE(bmi, age) AS slope FROM people;

-- # How well does age explain BMI?
SELECT REGR_R2(bmi, age) AS r2 FROM people;

-- # Follow-up in years by outcome
SELECT status, AVG(futime / 365.25) AS years FROM people GROUP BY status;

-- # Person-years and the death rate per thousand
SELECT SUM(futime) / 365.25 AS person_years, 1000 * SUM(status) / (SUM(futime) / 365.25) AS per_thousand FROM people;

-- # How many distinct patients have laboratory values?
SELECT COUNT(DISTINCT id) AS patients FROM labs;

-- # Which tests are there?
SELECT DISTINCT test FROM labs ORDER BY test;

-- # Tests, most frequent first
SELECT test, COUNT(*) AS n, COUNT(DISTINCT id) AS patients, AVG(value) AS mean FROM labs GROUP BY test ORDER BY n DESC;

-- # Mean cholesterol by sex
SELECT p.male, AVG(l.value) AS chol FROM labs l JOIN people p USING (id) WHERE l.test = 'chol' GROUP BY p.male;

-- # Cholesterol and HDL side by side
SELECT AVG(CASE WHEN test = 'chol' THEN value END) AS chol, AVG(CASE WHEN test = 'hdl' THEN value END) AS hdl FROM labs;

-- # The ten most frequent diagnoses
SELECT event, COUNT(*) AS n FROM events GROUP BY event ORDER BY n DESC LIMIT 10;

-- # Patients with diabetes by sex
SELECT p.male, COUNT(DISTINCT e.id) AS patients FROM events e INNER JOIN people p ON e.id = p.id WHERE e.event = 'diabetes' GROUP BY p.male;

-- # Patients who never had a diagnosis
SELECT COUNT(*) AS n FROM people WHERE id NOT IN (SELECT id FROM events);

-- # Patients with hypertension, by EXISTS
SELECT COUNT(*) AS n FROM people p WHERE EXISTS (SELECT 1 FROM events e WHERE e.id = p.id AND e.event = 'htn');

-- # Patients without a stroke, by NOT EXISTS
SELECT male, COUNT(*) AS n FROM people p WHERE NOT EXISTS (SELECT 1 FROM events e WHERE e.id = p.id AND e.event = 'stroke') GROUP BY male;

-- # Both diabetes and hypertension
SELECT COUNT(*) AS both FROM people WHERE id IN (SELECT id FROM events WHERE event = 'diabetes') AND id IN (SELECT id FROM events WHERE event = 'htn');

-- # Diagnoses before and after entry
SELECT event, COUNT(*) FILTER (WHERE days <= 0) AS before, COUNT(*) FILTER (WHERE days > 0) AS after FROM events GROUP BY event HAVING COUNT(*) > 100;

-- # How many measurements does a patient have?
SELECT AVG(n) AS mean, MAX(n) AS most FROM (SELECT id, COUNT(*) AS n FROM labs GROUP BY id) t;

-- # How many patients were measured how often?
WITH per_patient AS (SELECT id, COUNT(*) AS n FROM labs GROUP BY id) SELECT CASE WHEN n < 5 THEN '1-4' WHEN n < 20 THEN '5-19' ELSE '20+' END AS times, COUNT(*) AS patients FROM per_patient GROUP BY 1;

-- # Mean of each patient's mean systolic pressure
WITH m AS (SELECT id, AVG(value) AS sbp FROM labs WHERE test = 'sbp' GROUP BY id) SELECT AVG(sbp) AS mean, STDDEV(sbp) AS sd FROM m;

-- # The latest cholesterol of each patient
WITH ranked AS (SELECT id, value, ROW_NUMBER() OVER (PARTITION BY id ORDER BY days DESC) AS r FROM labs WHERE test = 'chol') SELECT AVG(value) AS latest FROM ranked WHERE r = 1;

-- # The first measurement compared with the last
WITH r AS (SELECT id, value, ROW_NUMBER() OVER (PARTITION BY id ORDER BY days) AS a, ROW_NUMBER() OVER (PARTITION BY id ORDER BY days DESC) AS z FROM labs WHERE test = 'hdl') SELECT AVG(value) FILTER (WHERE a = 1) AS first_value, AVG(value) FILTER (WHERE z = 1) AS last_value FROM r;

-- # The change from one measurement to the next
SELECT AVG(step) AS mean_step FROM (SELECT value - LAG(value) OVER (PARTITION BY id ORDER BY days) AS step FROM labs WHERE test = 'chol') t WHERE step IS NOT NULL;

-- # Share of each diagnosis among all
SELECT event, COUNT(*) AS n, 100.0 * COUNT(*) / SUM(COUNT(*)) OVER () AS percent FROM events GROUP BY event;

-- # Diagnoses ranked by frequency
SELECT event, COUNT(*) AS n, RANK() OVER (ORDER BY COUNT(*) DESC) AS place FROM events GROUP BY event;

-- # Cumulative deaths by year of follow-up
SELECT year, SUM(deaths) OVER (ORDER BY year) AS so_far FROM (SELECT futime // 365 AS year, SUM(status) AS deaths FROM people GROUP BY 1) t ORDER BY year;

-- # Age at entry by whether the patient died, with totals
SELECT male, status, COUNT(*) AS n, AVG(age) AS age FROM people GROUP BY ROLLUP (male, status);

-- # Diagnoses by sex as a pivot
SELECT e.event, SUM(CASE WHEN p.male = 1 THEN 1 ELSE 0 END) AS men, SUM(CASE WHEN p.male = 0 THEN 1 ELSE 0 END) AS women FROM events e JOIN people p ON p.id = e.id GROUP BY e.event ORDER BY men DESC;

-- # Two figures under each other
SELECT 'patients' AS what, COUNT(*) AS n FROM people UNION ALL SELECT 'diagnoses', COUNT(*) FROM events;

-- # A histogram of ages
SELECT width_bucket(age, 20, 100, 8) AS bucket, COUNT(*) AS n FROM people GROUP BY bucket ORDER BY bucket;

-- # Patients heavier than average
SELECT COUNT(*) AS n FROM people WHERE weight > (SELECT AVG(weight) FROM people);

-- # How many different values does age take?
SELECT COUNT(DISTINCT age) AS ages FROM people;

-- # The most frequent age
SELECT MODE(age) AS m FROM people;

-- # Outcomes of either sex, each as one cell
SELECT male, HISTOGRAM(status) AS outcomes, COUNT(*) AS n FROM people GROUP BY male ORDER BY male;

-- # A histogram of weights in classes
SELECT HISTOGRAM(weight, [50, 70, 90, 110]) AS weights FROM people;

-- # The most frequent laboratory test
SELECT MODE(test) AS m FROM labs;

-- # Log of the follow-up
SELECT AVG(LN(futime + 1)) AS mean_log FROM people;

-- # The records of one patient
SELECT * FROM labs WHERE id = 17;

-- # Person-years and deaths per thousand of them
SELECT male, SUM(futime) / 365.25 AS person_years, 1000.0 * SUM(status) / (SUM(futime) / 365.25) AS per_thousand FROM people GROUP BY male;

-- # Crude mortality by decade of age in three decades
SELECT age // 10 * 10 AS decade, AVG(status) AS died FROM people WHERE age >= 50 AND age < 80 GROUP BY decade ORDER BY decade;

-- # Standardised to the whole cohort's ages
WITH strata AS (SELECT male, CASE WHEN age < 50 THEN 'young' WHEN age < 65 THEN 'middle' ELSE 'old' END AS band, COUNT(*) AS n, SUM(status) AS d FROM people GROUP BY 1, 2), ages AS (SELECT band, SUM(n) AS whole FROM strata GROUP BY band) SELECT s.male, SUM(1.0 * s.d / s.n * a.whole) / SUM(a.whole) AS rate FROM strata AS s JOIN ages AS a ON a.band = s.band GROUP BY s.male;

-- # Log of the follow-up by status
SELECT status, AVG(LN(1 + futime)) AS mean_log, STDDEV(LN(1 + futime)) AS sd FROM people GROUP BY status;

-- # Only men who died
SELECT male, status, COUNT(*) AS n FROM people WHERE male = 1 AND status = 1 GROUP BY male, status;

-- # Standard error of the mean BMI
SELECT AVG(bmi) AS mean, STDDEV(bmi) / SQRT(COUNT(bmi)) AS se FROM people;

-- # A 95 % interval of the share who died
SELECT p - 1.96 * SQRT(p * (1 - p) / n) AS low, p + 1.96 * SQRT(p * (1 - p) / n) AS high FROM (SELECT AVG(status) AS p, COUNT(*) AS n FROM people) AS t;

-- # Coefficient of variation of three measurements
SELECT test, STDDEV(value) / AVG(value) AS cv FROM labs WHERE test IN ('chol', 'hdl', 'sbp') GROUP BY test;

-- # Patients with both lipids measured
SELECT COUNT(*) AS patients FROM people WHERE id IN (SELECT id FROM labs WHERE test = 'chol') AND id IN (SELECT id FROM labs WHERE test = 'hdl');

-- # Change from the first to the last cholesterol
SELECT AVG(last - first) AS change FROM (SELECT id, FIRST_VALUE(value) OVER w AS first, LAST_VALUE(value) OVER w AS last, ROW_NUMBER() OVER (PARTITION BY id ORDER BY days) AS k FROM labs WHERE test = 'chol' WINDOW w AS (PARTITION BY id ORDER BY days ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)) AS t WHERE k = 1;

-- # Range of ages
SELECT MAX(age) - MIN(age) AS years FROM people;

-- # Deaths among patients with a diagnosis of the heart
SELECT COUNT(*) AS patients, SUM(status) AS deaths FROM people AS p WHERE EXISTS (SELECT 1 FROM events AS e WHERE e.id = p.id AND e.event LIKE '%mi%');

-- # Outcomes by sex in one cell
SELECT male, HISTOGRAM(status) AS outcomes FROM people GROUP BY ROLLUP (male);

-- # The most frequent measurement of each patient
SELECT most, COUNT(*) AS patients FROM (SELECT id, MODE(test) AS most FROM labs GROUP BY id) AS t GROUP BY most;

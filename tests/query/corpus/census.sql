-- # People by income
SELECT income, COUNT(*) AS n FROM adults GROUP BY income;

-- # Share of high incomes by education
SELECT education, AVG(CASE WHEN income = '>50K' THEN 1 ELSE 0 END) AS share FROM adults GROUP BY education ORDER BY share DESC;

-- # Hours of work by sex
SELECT gender, AVG(hours_per_week) AS hours, STDDEV(hours_per_week) AS sd FROM adults GROUP BY gender;

-- # The median age by marital status
SELECT marital_status, MEDIAN(age) AS age FROM adults GROUP BY marital_status;

-- # Capital gains of those who have any
SELECT COUNT(*) AS n, AVG(capital_gain) AS mean FROM adults WHERE capital_gain > 0;

-- # Capital income
SELECT SUM(capital_gain - capital_loss) AS net FROM adults;

-- # Occupations, by number of people
SELECT occupation, COUNT(*) AS n FROM adults GROUP BY occupation ORDER BY n DESC;

-- # Native countries but the United States
SELECT native_country, COUNT(*) AS n FROM adults WHERE native_country <> 'United-States' GROUP BY native_country ORDER BY n DESC LIMIT 15;

-- # Years of education by race
SELECT race, AVG(education_num) AS years FROM adults GROUP BY race;

-- # Does education go with hours?
SELECT REGR_SLOPE(hours_per_week, education_num) AS slope, REGR_INTERCEPT(hours_per_week, education_num) AS intercept FROM adults;

-- # Part-time work by sex and age
SELECT gender, CASE WHEN age < 30 THEN 'young' WHEN age < 50 THEN 'middle' ELSE 'older' END AS age_group, AVG(IF(hours_per_week < 35, 1, 0)) AS part_time FROM adults GROUP BY gender, age_group;

-- # Incomes by sex as a ratio
SELECT gender, COUNT_IF(income = '>50K') / COUNT(*) AS share FROM adults GROUP BY gender;

-- # Gap between the sexes
SELECT AVG(CASE WHEN gender = 'Male' THEN hours_per_week END) - AVG(CASE WHEN gender = 'Female' THEN hours_per_week END) AS gap FROM adults;

-- # Ages in bands of five
SELECT (age // 5) * 5 AS band, COUNT(*) AS n FROM adults GROUP BY band ORDER BY band;

-- # Quantiles of hours
SELECT QUANTILE_CONT(hours_per_week, 0.1) AS p10, QUANTILE_CONT(hours_per_week, 0.5) AS p50, QUANTILE_CONT(hours_per_week, 0.9) AS p90 FROM adults;

-- # Work class and income, as a share of all
SELECT workclass, income, COUNT(*) * 100.0 / (SELECT COUNT(*) FROM adults) AS percent FROM adults GROUP BY workclass, income;

-- # The three most frequent occupations of each sex
SELECT gender, occupation, n FROM (SELECT gender, occupation, COUNT(*) AS n, ROW_NUMBER() OVER (PARTITION BY gender ORDER BY COUNT(*) DESC) AS r FROM adults GROUP BY gender, occupation) t WHERE r <= 3;

-- # Standard error of the mean age
SELECT STDDEV(age) / SQRT(COUNT(*)) AS standard_error FROM adults;

-- # Skewed capital gains
SELECT AVG(LN(1 + capital_gain)) AS mean_log, MAX(capital_gain) AS most FROM adults;

-- # Different occupations
SELECT COUNT(DISTINCT occupation) AS occupations FROM adults;

-- # Sex and income with totals
SELECT gender, income, COUNT(*) AS n FROM adults GROUP BY ROLLUP (gender, income) ORDER BY 1, 2;

-- # Variance of age
SELECT VAR_POP(age) AS pop, VARIANCE(age) AS samp FROM adults;

-- # People with a degree
SELECT COUNT(*) AS n FROM adults WHERE education IN ('Bachelors', 'Masters', 'Doctorate', 'Prof-school');

-- # Married, in any way
SELECT COUNT(*) AS n FROM adults WHERE marital_status LIKE 'Married%';

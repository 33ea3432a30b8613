-- # Employers by year
SELECT reporting_year, COUNT(DISTINCT company_number) AS employers FROM returns GROUP BY reporting_year ORDER BY 1;

-- # Mean gap by year
SELECT reporting_year, AVG(diff_mean_hourly) AS gap FROM returns GROUP BY reporting_year ORDER BY reporting_year;

-- # Median of the median gap by size
SELECT employer_size, MEDIAN(diff_median_hourly) AS gap FROM returns GROUP BY employer_size;

-- # Employers that pay women more
SELECT COUNT(*) AS n FROM returns WHERE diff_mean_hourly < 0;

-- # Share of employers that pay women more, by year
SELECT reporting_year, AVG(CASE WHEN diff_mean_hourly < 0 THEN 1.0 ELSE 0 END) AS share FROM returns GROUP BY reporting_year;

-- # Late returns by size
SELECT employer_size, SUM(CASE WHEN submitted_late THEN 1 ELSE 0 END) AS late, COUNT(*) AS n FROM returns GROUP BY employer_size;

-- # Returns by month of submission
SELECT DATE_TRUNC('month', date_submitted) AS month, COUNT(*) AS n FROM returns GROUP BY month ORDER BY month;

-- # Women at the top and at the bottom
SELECT AVG(female_top_quartile) AS top, AVG(female_lower_quartile) AS bottom FROM returns;

-- # Gap by section of industry
SELECT s.section, AVG(r.diff_mean_hourly) AS gap FROM returns r JOIN sic s ON r.sic_codes = s.code GROUP BY s.section ORDER BY gap DESC;

-- # Gap by region of the post code
SELECT LEFT(post_code, 2) AS area, AVG(diff_mean_hourly) AS gap, COUNT(*) AS n FROM returns GROUP BY area HAVING COUNT(*) > 20;

-- # Employers in London
SELECT COUNT(DISTINCT company_number) AS n FROM returns WHERE post_code SIMILAR TO '(E|EC|N|NW|SE|SW|W|WC)[0-9].*';

-- # Post codes by pattern
SELECT COUNT(*) AS n FROM returns WHERE regexp_matches(post_code, '^EC[0-9]');

-- # Bonus gap where there is a bonus
SELECT AVG(diff_mean_bonus) AS gap FROM returns WHERE male_bonus > 0 AND female_bonus > 0;

-- # How the gap of an employer changed
WITH c AS (SELECT company_number, AVG(CASE WHEN reporting_year = 2017 THEN diff_mean_hourly END) AS first_gap, AVG(CASE WHEN reporting_year = 2021 THEN diff_mean_hourly END) AS last_gap FROM returns GROUP BY company_number) SELECT AVG(last_gap - first_gap) AS change FROM c WHERE first_gap IS NOT NULL AND last_gap IS NOT NULL;

-- # Change against the year before
SELECT reporting_year, AVG(diff_mean_hourly - prev) AS change FROM (SELECT reporting_year, diff_mean_hourly, LAG(diff_mean_hourly) OVER (PARTITION BY company_number ORDER BY reporting_year) AS prev FROM returns) t GROUP BY reporting_year;

-- # Employers that reported in every year
SELECT COUNT(*) AS n FROM (SELECT company_number FROM returns GROUP BY company_number HAVING COUNT(DISTINCT reporting_year) = 6) t;

-- # Gap in classes
SELECT CASE WHEN diff_mean_hourly < 0 THEN 'women ahead' WHEN diff_mean_hourly < 10 THEN 'small' WHEN diff_mean_hourly < 25 THEN 'middle' ELSE 'large' END AS class, COUNT(*) AS n FROM returns GROUP BY class;

-- # Year on year
SELECT reporting_year, AVG(diff_mean_hourly) AS gap, AVG(diff_mean_hourly) - LAG(AVG(diff_mean_hourly)) OVER (ORDER BY reporting_year) AS change FROM returns GROUP BY reporting_year;

-- # Quantiles of the gap
SELECT QUANTILE_CONT(diff_mean_hourly, [0.1, 0.5, 0.9]) AS q FROM returns WHERE reporting_year = 2021;

-- # Gap and women at the top
SELECT CORR(diff_mean_hourly, female_top_quartile) AS r FROM returns;

-- # First part of the post code
SELECT SPLIT_PART(post_code, ' ', 1) AS district, COUNT(*) AS n FROM returns GROUP BY district;

-- # Employers without a number of staff
SELECT COUNT(*) AS n FROM returns WHERE employer_size IS NULL OR employer_size = 'Not Provided';

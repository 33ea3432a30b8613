-- # Turnover
SELECT SUM(quantity * unit_price) AS turnover FROM lines;

-- # Turnover by month
SELECT DATE_TRUNC('month', invoice_date) AS month, SUM(quantity * unit_price) AS turnover FROM lines GROUP BY month ORDER BY month;

-- # Turnover by country, the top ten
SELECT country, ROUND(SUM(quantity * unit_price), 2) AS turnover FROM lines GROUP BY country ORDER BY turnover DESC LIMIT 10;

-- # Customers by month
SELECT EXTRACT(year FROM invoice_date) AS y, EXTRACT(month FROM invoice_date) AS m, COUNT(DISTINCT customer_id) AS customers FROM lines GROUP BY y, m ORDER BY y, m;

-- # Invoices altogether
SELECT COUNT(DISTINCT invoice_no) AS invoices FROM lines;

-- # Invoices by country
SELECT country, COUNT(DISTINCT invoice_no) AS invoices FROM lines GROUP BY country;

-- # Mean value of an invoice line
SELECT AVG(quantity * unit_price) AS value FROM lines WHERE quantity > 0;

-- # Mean value of an invoice
WITH inv AS (SELECT customer_id, invoice_no, SUM(quantity * unit_price) AS total FROM lines WHERE invoice_no NOT LIKE 'C%' GROUP BY customer_id, invoice_no) SELECT AVG(total) AS mean, MEDIAN(total) AS med FROM inv;

-- # Spending of a customer
SELECT AVG(spent) AS mean, STDDEV(spent) AS sd FROM (SELECT customer_id, SUM(quantity * unit_price) AS spent FROM lines GROUP BY customer_id) t;

-- # Cancelled lines
SELECT COUNT(*) AS cancelled FROM lines WHERE invoice_no LIKE 'C%';

-- # Share of cancelled lines by country
SELECT country, AVG(CASE WHEN STARTS_WITH(invoice_no, 'C') THEN 1 ELSE 0 END) AS share FROM lines GROUP BY country HAVING COUNT(*) > 1000;

-- # Best-selling products
SELECT stock_code, SUM(quantity) AS sold FROM lines GROUP BY stock_code ORDER BY sold DESC LIMIT 20;

-- # Products with "BAG" in their name
SELECT description, SUM(quantity) AS n FROM lines WHERE description ILIKE '%bag%' GROUP BY description ORDER BY n DESC LIMIT 10;

-- # Orders by hour of the day
SELECT HOUR(invoice_date) AS h, COUNT(*) AS lines FROM lines GROUP BY h ORDER BY h;

-- # Orders by day of the week
SELECT DAYNAME(invoice_date) AS day, COUNT(*) AS n FROM lines GROUP BY day;

-- # Orders by weekday number
SELECT EXTRACT(dow FROM invoice_date) AS dow, COUNT(DISTINCT invoice_no) AS orders FROM lines GROUP BY dow ORDER BY dow;

-- # Turnover by quarter
SELECT YEAR(invoice_date) AS y, QUARTER(invoice_date) AS q, SUM(quantity * unit_price) AS turnover FROM lines GROUP BY y, q ORDER BY y, q;

-- # Turnover by quarter and region
SELECT c.region, QUARTER(l.invoice_date) AS q, SUM(l.quantity * l.unit_price) AS turnover FROM lines l JOIN countries c ON l.country = c.country GROUP BY c.region, q ORDER BY 1, 2;

-- # Turnover inside and outside the EU
SELECT c.in_eu, SUM(l.quantity * l.unit_price) AS turnover, COUNT(DISTINCT l.customer_id) AS customers FROM lines l LEFT JOIN countries c USING (country) GROUP BY c.in_eu;

-- # Turnover per customer by country
SELECT country, SUM(quantity * unit_price) / COUNT(DISTINCT customer_id) AS per_customer FROM lines GROUP BY country ORDER BY per_customer DESC;

-- # Growth from month to month
WITH m AS (SELECT DATE_TRUNC('month', invoice_date) AS month, SUM(quantity * unit_price) AS t FROM lines GROUP BY 1) SELECT month, t, t / LAG(t) OVER (ORDER BY month) - 1 AS growth FROM m ORDER BY month;

-- # Turnover so far in the year
WITH m AS (SELECT DATE_TRUNC('month', invoice_date) AS month, SUM(quantity * unit_price) AS t FROM lines GROUP BY 1) SELECT month, SUM(t) OVER (ORDER BY month) AS so_far FROM m;

-- # Cohorts by month of the first order
WITH first AS (SELECT customer_id, MIN(invoice_date) AS joined FROM lines GROUP BY customer_id) SELECT DATE_TRUNC('month', joined) AS cohort, COUNT(*) AS customers FROM first GROUP BY cohort ORDER BY cohort;

-- # Retention by cohort
WITH first AS (SELECT customer_id, DATE_TRUNC('month', MIN(invoice_date)) AS cohort FROM lines GROUP BY customer_id) SELECT f.cohort, DATE_TRUNC('month', l.invoice_date) AS month, COUNT(DISTINCT l.customer_id) AS active FROM lines l JOIN first f ON l.customer_id = f.customer_id GROUP BY 1, 2 ORDER BY 1, 2;

-- # Customers who came back
WITH n AS (SELECT customer_id, COUNT(DISTINCT invoice_no) AS orders FROM lines GROUP BY customer_id) SELECT AVG(CASE WHEN orders > 1 THEN 1 ELSE 0 END) AS returning FROM n;

-- # Customers by number of orders
WITH n AS (SELECT customer_id, COUNT(DISTINCT invoice_no) AS orders FROM lines GROUP BY customer_id) SELECT LEAST(orders, 10) AS orders, COUNT(*) AS customers FROM n GROUP BY 1 ORDER BY 1;

-- # Days since the last order
WITH last AS (SELECT customer_id, MAX(invoice_date) AS seen FROM lines GROUP BY customer_id) SELECT AVG(DATE_DIFF('day', seen, TIMESTAMP '2011-12-31 00:00:00')) AS days FROM last;

-- # Segments by spending
WITH s AS (SELECT customer_id, SUM(quantity * unit_price) AS spent FROM lines GROUP BY customer_id) SELECT CASE WHEN spent < 100 THEN 'small' WHEN spent < 1000 THEN 'middle' ELSE 'large' END AS segment, COUNT(*) AS customers, SUM(spent) AS turnover FROM s GROUP BY segment;

-- # Customers who buy in December 2011 and not before
SELECT COUNT(DISTINCT customer_id) AS n FROM lines WHERE invoice_date >= '2011-12-01' AND customer_id NOT IN (SELECT customer_id FROM lines WHERE invoice_date < '2011-12-01');

-- # Lines of the last quarter
SELECT COUNT(*) FROM lines WHERE invoice_date BETWEEN '2011-10-01' AND '2011-12-31';

-- # The month as text
SELECT STRFTIME(invoice_date, '%Y-%m') AS month, COUNT(*) AS n FROM lines GROUP BY month ORDER BY month;

-- # The median price by country
SELECT country, MEDIAN(unit_price) AS price FROM lines GROUP BY country;

-- # Dearest and cheapest
SELECT MAX(unit_price) AS dearest, MIN(unit_price) AS cheapest FROM lines WHERE unit_price > 0;

-- # Weekend or not
SELECT CASE WHEN EXTRACT(dow FROM invoice_date) IN (0, 6) THEN 'weekend' ELSE 'weekday' END AS part, SUM(quantity) AS sold FROM lines GROUP BY part;

-- # The country with the most turnover in each region
WITH t AS (SELECT c.region, l.country, SUM(l.quantity * l.unit_price) AS turnover FROM lines l JOIN countries c ON c.country = l.country GROUP BY 1, 2) SELECT region, country, turnover FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY region ORDER BY turnover DESC) AS r FROM t) WHERE r = 1;

-- # First five letters of the product
SELECT LEFT(stock_code, 2) AS family, COUNT(*) AS n FROM lines GROUP BY family;

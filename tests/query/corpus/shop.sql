-- # Pricing summary
SELECT returned, SUM(quantity) AS quantity, SUM(price) AS base, SUM(price * (1 - discount)) AS charged, AVG(quantity) AS mean_quantity, AVG(discount) AS mean_discount, COUNT(*) AS items FROM items WHERE shipped <= DATE '1998-09-02' GROUP BY returned ORDER BY returned;

-- # Revenue that small discounts cost
SELECT SUM(price * discount) AS revenue FROM items WHERE shipped >= DATE '1994-01-01' AND shipped < DATE '1995-01-01' AND discount BETWEEN 0.05 AND 0.07 AND quantity < 24;

-- # Customers by segment
SELECT segment, COUNT(*) AS customers, AVG(balance) AS mean_balance FROM customer GROUP BY segment;

-- # Customers in Asia
SELECT COUNT(*) AS customers FROM customer WHERE nation IN (SELECT nation FROM nations WHERE region = 'ASIA');

-- # Customers by region
SELECT n.region, COUNT(*) AS customers FROM customer AS c JOIN nations AS n ON n.nation = c.nation GROUP BY n.region;

-- # Turnover by region and year
SELECT n.region, YEAR(o.ordered) AS year, SUM(o.total) AS turnover FROM customer AS c JOIN orders AS o ON o.custkey = c.custkey JOIN nations AS n ON n.nation = c.nation GROUP BY n.region, year ORDER BY n.region, year;

-- # Two nations compared
SELECT c.nation, SUM(o.total) AS turnover FROM customer AS c JOIN orders AS o ON o.custkey = c.custkey WHERE c.nation = 'alpha' OR c.nation = 'C-3' GROUP BY c.nation;

-- # Urgent orders by month in one year
SELECT MONTH(ordered) AS month, COUNT(*) AS orders, SUM(CASE WHEN priority IN ('1-URGENT', '2-HIGH') THEN 1 ELSE 0 END) AS urgent FROM orders WHERE ordered BETWEEN '1995-01-01' AND '1995-12-31' GROUP BY month ORDER BY month;

-- # Share of promoted parts
SELECT 100.0 * SUM(CASE WHEN p.kind = 'PROMO' THEN i.price * (1 - i.discount) ELSE 0 END) / SUM(i.price * (1 - i.discount)) AS percent FROM items AS i JOIN parts AS p ON p.part = i.part;

-- # The kind of part, looked up
SELECT (SELECT p.kind FROM parts AS p WHERE p.part = i.part) AS kind, SUM(i.quantity) AS pieces FROM items AS i GROUP BY 1 ORDER BY pieces DESC;

-- # Pieces of parts dearer than the mean
SELECT SUM(quantity) AS pieces FROM items WHERE part IN (SELECT part FROM parts WHERE retail > (SELECT AVG(retail) FROM parts));

-- # Parts that are in no list
SELECT COUNT(*) AS items FROM items AS i WHERE NOT EXISTS (SELECT * FROM parts AS p WHERE p.part = i.part);

-- # The best sold parts
SELECT part, SUM(quantity) AS pieces FROM items GROUP BY part ORDER BY pieces DESC LIMIT 5;

-- # How many days delivery takes by mode
SELECT mode, AVG(received - shipped) AS mean_days, MEDIAN(received - shipped) AS half FROM items GROUP BY mode;

-- # Late deliveries
SELECT mode, COUNT(*) AS late FROM items WHERE received > shipped + INTERVAL 30 DAY GROUP BY mode ORDER BY late DESC;

-- # Orders of a customer
SELECT n, COUNT(*) AS customers FROM (SELECT c.custkey, COUNT(o.custkey) AS n FROM customer AS c LEFT JOIN orders AS o ON o.custkey = c.custkey GROUP BY c.custkey) AS each_customer GROUP BY n ORDER BY n;

-- # Customers without an order, by their balance
SELECT CASE WHEN balance < 0 THEN 'owes' WHEN balance < 5000 THEN 'low' ELSE 'high' END AS account, COUNT(*) AS customers FROM customer WHERE custkey NOT IN (SELECT custkey FROM orders) GROUP BY account;

-- # Large orders
SELECT COUNT(*) AS orders, SUM(total) AS turnover FROM orders WHERE total > 300000;

-- # Customers who spent much
SELECT segment, COUNT(*) AS customers FROM customer AS c WHERE (SELECT SUM(o.total) FROM orders AS o WHERE o.custkey = c.custkey) > 500000 GROUP BY segment;

-- # First order of each customer by year
SELECT YEAR(first) AS year, COUNT(*) AS customers FROM (SELECT custkey, MIN(ordered) AS first FROM orders GROUP BY custkey) AS firsts GROUP BY year ORDER BY year;

-- # Those who came back within a year
SELECT COUNT(DISTINCT custkey) AS customers FROM (SELECT custkey, ordered, LAG(ordered) OVER (PARTITION BY custkey ORDER BY ordered) AS before FROM orders) AS o WHERE ordered - before <= 365;

-- # Turnover by quarter with a running total
SELECT quarter, turnover, SUM(turnover) OVER (ORDER BY quarter) AS so_far FROM (SELECT DATE_TRUNC('quarter', ordered) AS quarter, SUM(total) AS turnover FROM orders GROUP BY quarter) AS q ORDER BY quarter;

-- # Segments above the mean of segments
WITH s AS (SELECT segment, AVG(balance) AS b FROM customer GROUP BY segment) SELECT segment, b FROM s WHERE b > (SELECT AVG(b) FROM s);

-- # Returned goods by mode and kind, with totals
SELECT i.mode, p.kind, COUNT(*) AS items FROM items AS i JOIN parts AS p ON p.part = i.part WHERE i.returned = 'R' GROUP BY CUBE (i.mode, p.kind);

-- # The usual basket
SELECT QUANTILE_CONT(total, [0.25, 0.5, 0.75]) AS quartiles, MODE(priority) AS priority FROM orders;

-- # Does the balance go with spending?
SELECT CORR(c.balance, s.spent) AS r FROM customer AS c JOIN (SELECT custkey, SUM(total) AS spent FROM orders GROUP BY custkey) AS s ON s.custkey = c.custkey;

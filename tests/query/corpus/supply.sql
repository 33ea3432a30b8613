-- # Value of all deliveries
SELECT SUM(line_value) AS value FROM deliveries;

-- # Value by country, the top ten
SELECT country, SUM(line_value) AS value FROM deliveries GROUP BY country ORDER BY value DESC LIMIT 10;

-- # Value by year
SELECT YEAR(delivered) AS y, SUM(line_value) AS value FROM deliveries GROUP BY y ORDER BY y;

-- # Mean delay of delivery
SELECT AVG(delivered - scheduled) AS days FROM deliveries;

-- # Mean delay by mode
SELECT shipment_mode, AVG(DATE_DIFF('day', scheduled, delivered)) AS days FROM deliveries GROUP BY shipment_mode;

-- # Share of late deliveries
SELECT AVG(CASE WHEN delivered > scheduled THEN 1 ELSE 0 END) AS late FROM deliveries;

-- # Share of late deliveries by product group and year
SELECT product_group, YEAR(delivered) AS y, COUNT_IF(delivered > scheduled) * 1.0 / COUNT(*) AS late FROM deliveries GROUP BY 1, 2 ORDER BY 1, 2;

-- # Freight as a share of value
SELECT shipment_mode, SUM(freight) / SUM(line_value) AS share FROM deliveries GROUP BY shipment_mode;

-- # Freight for a kilogram
SELECT shipment_mode, SUM(freight) / NULLIF(SUM(weight), 0) AS per_kg FROM deliveries WHERE weight > 0 GROUP BY shipment_mode;

-- # Suppliers by country
SELECT country, COUNT(DISTINCT vendor) AS suppliers FROM deliveries GROUP BY country;

-- # Lines of a supplier
SELECT AVG(n) AS mean FROM (SELECT vendor, COUNT(*) AS n FROM deliveries GROUP BY vendor) t;

-- # How concentrated are the suppliers?
SELECT SUM(share * share) AS herfindahl FROM (SELECT vendor, SUM(line_value) / (SELECT SUM(line_value) FROM deliveries) AS share FROM deliveries GROUP BY vendor) t;

-- # Value by continent
SELECT c.continent, SUM(d.line_value) AS value, COUNT(*) AS n FROM deliveries d JOIN countries c ON d.country = c.country GROUP BY c.continent;

-- # Brands of antiretrovirals
SELECT brand, SUM(quantity) AS packs FROM deliveries WHERE product_group = 'ARV' GROUP BY brand ORDER BY packs DESC LIMIT 10;

-- # Mean price by product group
SELECT product_group, AVG(unit_price) AS price, MEDIAN(unit_price) AS med FROM deliveries GROUP BY product_group;

-- # Deliveries by month of the year
SELECT MONTH(delivered) AS m, COUNT(*) AS n FROM deliveries GROUP BY m ORDER BY m;

-- # Deliveries by weekday
SELECT DAYOFWEEK(delivered) AS d, COUNT(*) AS n FROM deliveries GROUP BY d ORDER BY d;

-- # Quantity in classes of magnitude
SELECT FLOOR(LOG10(quantity)) AS magnitude, COUNT(*) AS n FROM deliveries WHERE quantity > 0 GROUP BY 1 ORDER BY 1;

-- # First-line drugs by year as a pivot
SELECT YEAR(delivered) AS y, SUM(CASE WHEN first_line THEN quantity ELSE 0 END) AS first_line, SUM(CASE WHEN NOT first_line THEN quantity ELSE 0 END) AS other FROM deliveries GROUP BY y;

-- # Direct drops against the warehouse
SELECT fulfill_via, COUNT(*) AS n, AVG(line_value) AS value FROM deliveries GROUP BY fulfill_via;

-- # Weight of air freight over a tonne
SELECT COUNT(*) AS n, SUM(weight) / 1000.0 AS tonnes FROM deliveries WHERE shipment_mode LIKE 'Air%' AND weight > 1000;

-- # Three-month means of value
WITH m AS (SELECT DATE_TRUNC('month', delivered) AS month, SUM(line_value) AS v FROM deliveries GROUP BY 1) SELECT month, AVG(v) OVER (ORDER BY month ROWS 2 PRECEDING) AS mean3 FROM m;

-- # Countries that only one supplier serves
SELECT country FROM deliveries GROUP BY country HAVING COUNT(DISTINCT vendor) = 1;

-- # Modes and groups with totals
SELECT shipment_mode, product_group, SUM(line_value) AS value FROM deliveries GROUP BY CUBE (shipment_mode, product_group);

-- # Flights by carrier
SELECT carrier, COUNT(*) AS flights FROM flights GROUP BY carrier ORDER BY flights DESC;

-- # Flights by carrier, in words
SELECT a.name, COUNT(*) AS flights FROM flights f JOIN airlines a ON f.carrier = a.carrier GROUP BY a.name ORDER BY flights DESC;

-- # Mean delay by airport
SELECT origin, AVG(dep_delay) AS delay FROM flights GROUP BY origin;

-- # Mean delay by month and airport
SELECT month, origin, AVG(dep_delay) AS dep, AVG(arr_delay) AS arr FROM flights GROUP BY month, origin ORDER BY month, origin;

-- # The median delay
SELECT MEDIAN(arr_delay) AS med FROM flights;

-- # Share of late flights by carrier
SELECT carrier, 100.0 * COUNT(*) FILTER (WHERE arr_delay > 15) / COUNT(*) AS late FROM flights GROUP BY carrier ORDER BY late DESC;

-- # Cancelled flights by month
SELECT month, SUM(CASE WHEN dep_time IS NULL THEN 1 ELSE 0 END) AS cancelled, COUNT(*) AS planned FROM flights GROUP BY month ORDER BY month;

-- # Destinations, the top twenty
SELECT dest, COUNT(*) AS n FROM flights GROUP BY dest ORDER BY n DESC LIMIT 20;

-- # Destinations by name
SELECT p.name, AVG(f.distance) AS miles, COUNT(*) AS n FROM flights f LEFT JOIN airports p ON f.dest = p.faa GROUP BY p.name ORDER BY n DESC;

-- # Flights by hour
SELECT hour, COUNT(*) AS n, AVG(dep_delay) AS delay FROM flights GROUP BY hour ORDER BY hour;

-- # Speed by carrier
SELECT carrier, AVG(distance / (air_time / 60.0)) AS mph FROM flights WHERE air_time > 0 GROUP BY carrier;

-- # Speed as a ratio of sums
SELECT carrier, SUM(distance) / (SUM(air_time) / 60.0) AS mph FROM flights GROUP BY carrier;

-- # Delay at departure and at arrival
SELECT CORR(dep_delay, arr_delay) AS r, COVAR_SAMP(dep_delay, arr_delay) AS c FROM flights;

-- # Time made up in the air
SELECT carrier, AVG(dep_delay - arr_delay) AS made_up FROM flights WHERE dep_delay IS NOT NULL AND arr_delay IS NOT NULL GROUP BY carrier;

-- # Aircraft in service
SELECT COUNT(DISTINCT tailnum) AS aircraft FROM flights;

-- # Aircraft by maker
SELECT manufacturer, COUNT(*) AS n FROM planes GROUP BY manufacturer ORDER BY n DESC;

-- # Age of the fleet in 2013
SELECT AVG(2013 - year) AS age FROM planes;

-- # Seats flown by carrier
SELECT f.carrier, SUM(p.seats) AS seats FROM flights f JOIN planes p ON f.tailnum = p.tailnum GROUP BY f.carrier;

-- # Delay by age of the aircraft
SELECT CASE WHEN 2013 - p.year < 5 THEN 'new' WHEN 2013 - p.year < 15 THEN 'middle' ELSE 'old' END AS age, AVG(f.dep_delay) AS delay FROM flights f JOIN planes p USING (tailnum) GROUP BY 1;

-- # Flights of an aircraft
SELECT AVG(n) AS mean, STDDEV(n) AS sd FROM (SELECT tailnum, COUNT(*) AS n FROM flights GROUP BY tailnum) t;

-- # Aircraft that fly for several carriers
SELECT COUNT(*) AS n FROM (SELECT tailnum, COUNT(DISTINCT carrier) AS c FROM flights GROUP BY tailnum) t WHERE c > 1;

-- # Delay and rain
SELECT w.precip > 0 AS rain, AVG(f.dep_delay) AS delay FROM flights f JOIN weather w ON f.origin = w.origin AND f.time_hour = w.time_hour GROUP BY 1;

-- # Delay and visibility in three classes
SELECT CASE WHEN w.visib < 3 THEN 'poor' WHEN w.visib < 9 THEN 'fair' ELSE 'good' END AS view, AVG(f.dep_delay) AS delay, COUNT(*) AS n FROM flights f JOIN weather w ON f.origin = w.origin AND f.month = w.month AND f.day = w.day AND f.hour = w.hour GROUP BY 1;

-- # Flights west of the Mississippi
SELECT COUNT(*) AS n FROM flights f JOIN airports a ON f.dest = a.faa WHERE a.lon < -90;

-- # Time zones of destinations
SELECT a.tzone, COUNT(*) AS n FROM flights f JOIN airports a ON f.dest = a.faa GROUP BY a.tzone;

-- # Red-eyes
SELECT COUNT(*) AS n FROM flights WHERE sched_dep_time >= 2200 OR sched_dep_time < 400;

-- # Days with the most flights
SELECT month, day, COUNT(*) AS n FROM flights GROUP BY month, day ORDER BY n DESC LIMIT 10;

-- # Flights by date
SELECT CAST(time_hour AS DATE) AS date, COUNT(*) AS n FROM flights GROUP BY date ORDER BY date;

-- # Flights by week
SELECT DATE_TRUNC('week', time_hour) AS week, COUNT(*) AS n FROM flights GROUP BY 1 ORDER BY 1;

-- # A moving mean of daily flights
WITH d AS (SELECT CAST(time_hour AS DATE) AS day, COUNT(*) AS n FROM flights GROUP BY 1) SELECT day, AVG(n) OVER (ORDER BY day ROWS BETWEEN 6 PRECEDING AND CURRENT ROW) AS week_mean FROM d;

-- # Carriers that fly to Seattle or Portland
SELECT carrier, COUNT(*) AS n FROM flights WHERE dest IN ('SEA', 'PDX') GROUP BY carrier;

-- # Routes of one carrier
SELECT origin || '-' || dest AS route, COUNT(*) AS n FROM flights WHERE carrier = 'UA' GROUP BY route ORDER BY n DESC LIMIT 15;

-- # Delay in bands of half an hour
SELECT FLOOR(dep_delay / 30.0) * 30 AS band, COUNT(*) AS n FROM flights WHERE dep_delay > 0 GROUP BY band ORDER BY band;

-- # Carriers above the mean delay
WITH c AS (SELECT carrier, AVG(arr_delay) AS d FROM flights GROUP BY carrier) SELECT carrier, d FROM c WHERE d > (SELECT AVG(d) FROM c) ORDER BY d DESC;

-- # Airports above a thousand feet
SELECT COUNT(*) AS n FROM airports WHERE alt > 1000;

-- # The highest airports
SELECT name, alt FROM airports ORDER BY alt DESC LIMIT 5;

-- # Airlines of three letters or more
SELECT carrier, name FROM airlines WHERE LENGTH(name) > 20 ORDER BY name;

-- # Worst decile of delays by carrier
SELECT carrier, QUANTILE_DISC(arr_delay, 0.9) AS p90 FROM flights GROUP BY carrier;

-- # Flights by origin with a total line
SELECT COALESCE(origin, 'all') AS origin, COUNT(*) AS n FROM flights GROUP BY GROUPING SETS ((origin), ());

-- # Trips by month
SELECT DATE_TRUNC('month', started) AS month, COUNT(*) AS trips FROM trips GROUP BY month ORDER BY month;

-- # The hours of the day
SELECT EXTRACT(hour FROM started) AS hour, COUNT(*) AS trips, AVG(minutes) AS mean_minutes FROM trips GROUP BY hour ORDER BY hour;

-- # Working days against weekends
SELECT CASE WHEN DAYOFWEEK(started) IN (0, 6) THEN 'weekend' ELSE 'working day' END AS kind, COUNT(*) AS trips, MEDIAN(minutes) AS half FROM trips GROUP BY kind;

-- # The ten busiest stations
SELECT origin, COUNT(*) AS trips FROM trips GROUP BY origin ORDER BY trips DESC LIMIT 10;

-- # Departures by district
SELECT s.district, COUNT(*) AS trips FROM trips AS t JOIN stations AS s ON s.station = t.origin GROUP BY s.district;

-- # From district to district
SELECT a.district AS from_district, b.district AS to_district, COUNT(*) AS trips FROM trips AS t JOIN stations AS a ON a.station = t.origin JOIN stations AS b ON b.station = t.destination GROUP BY 1, 2 ORDER BY trips DESC;

-- # Trips that begin where a line of the metro stops
SELECT COUNT(*) AS trips FROM trips WHERE origin IN (SELECT station FROM stations WHERE lines > 0);

-- # Trips to places that are no station of ours
SELECT COUNT(*) AS trips FROM trips WHERE destination NOT IN (SELECT station FROM stations);

-- # The district of departure, looked up
SELECT (SELECT district FROM stations AS s WHERE s.station = t.origin) AS district, AVG(fare) AS mean_fare FROM trips AS t GROUP BY district;

-- # Round trips
SELECT COUNT(*) FILTER (WHERE origin = destination) AS round_trips, COUNT(*) AS trips FROM trips;

-- # Share of electric bikes by month
SELECT DATE_TRUNC('month', started) AS month, 100.0 * COUNT(*) FILTER (WHERE bike = 'electric') / COUNT(*) AS percent FROM trips GROUP BY month ORDER BY month;

-- # Trips on holidays
SELECT COUNT(*) AS trips FROM trips WHERE CAST(started AS DATE) IN (SELECT day FROM holidays);

-- # A mean day of the holidays and of other days
WITH days AS (SELECT CAST(started AS DATE) AS day, COUNT(*) AS n FROM trips GROUP BY day) SELECT h.day IS NOT NULL AS holiday, AVG(d.n) AS mean_trips FROM days AS d LEFT JOIN holidays AS h ON h.day = d.day GROUP BY 1;

-- # Speed by kind of bike
SELECT bike, AVG(km / (minutes / 60.0)) AS kmh FROM trips WHERE minutes BETWEEN 5 AND 120 GROUP BY bike;

-- # How long trips last, in bands
SELECT FLOOR(minutes / 15) * 15 AS from_minute, COUNT(*) AS trips FROM trips GROUP BY from_minute ORDER BY from_minute;

-- # Trips of a rider
SELECT AVG(n) AS mean, QUANTILE_CONT(n, [0.5, 0.9]) AS q FROM (SELECT rider, COUNT(*) AS n FROM trips GROUP BY rider) AS each_rider;

-- # Riders who use all kinds of bikes
SELECT COUNT(*) AS riders FROM (SELECT rider FROM trips GROUP BY rider HAVING COUNT(DISTINCT bike) = 3) AS every_kind;

-- # Days between two trips of a rider
SELECT MEDIAN(gap) AS half FROM (SELECT DATE_DIFF('day', LAG(started) OVER (PARTITION BY rider ORDER BY started), started) AS gap FROM trips) AS gaps WHERE gap IS NOT NULL;

-- # Age of riders by pass
SELECT t.pass, AVG(2024 - r.born) AS mean_age FROM trips AS t JOIN riders AS r ON r.rider = t.rider GROUP BY t.pass;

-- # Riders who never rode
SELECT COUNT(*) AS riders FROM riders AS r WHERE NOT EXISTS (SELECT 1 FROM trips AS t WHERE t.rider = r.rider);

-- # New riders by year, and of them those who rode electric
SELECT YEAR(joined) AS year, COUNT(*) AS riders, COUNT_IF(rider IN (SELECT rider FROM trips WHERE bike = 'electric')) AS electric FROM riders GROUP BY year ORDER BY year;

-- # The morning peak at big stations
SELECT origin, COUNT(*) AS trips FROM trips WHERE HOUR(started) BETWEEN 7 AND 9 AND origin IN (SELECT station FROM stations WHERE docks >= 40) GROUP BY origin HAVING COUNT(*) > 50 ORDER BY trips DESC;

-- # Departures for each dock
SELECT t.origin, t.n, 1.0 * t.n / s.docks AS per_dock FROM (SELECT origin, COUNT(*) AS n FROM trips GROUP BY origin) AS t JOIN stations AS s ON s.station = t.origin ORDER BY per_dock DESC;

-- # Fares by pass, with totals
SELECT pass, bike, SUM(fare) AS fares FROM trips GROUP BY ROLLUP (pass, bike);

-- # Trips from the station nearest to home
SELECT COUNT(*) AS trips FROM trips AS t JOIN riders AS r ON t.rider = r.rider WHERE t.origin = r.home;

-- # Growth against the month before
WITH m AS (SELECT DATE_TRUNC('month', started) AS month, COUNT(*) AS n FROM trips GROUP BY month) SELECT month, n, 100.0 * (n - LAG(n) OVER (ORDER BY month)) / LAG(n) OVER (ORDER BY month) AS growth FROM m ORDER BY month;

-- # Months above the mean
WITH m AS (SELECT DATE_TRUNC('month', started) AS month, COUNT(*) AS n FROM trips GROUP BY month) SELECT month, n FROM m WHERE n > (SELECT AVG(n) FROM m) ORDER BY month;

-- # Two districts
SELECT s.district, COUNT(*) AS trips FROM trips AS t JOIN stations AS s ON s.station = t.origin WHERE s.district IN ('Centre', 'North') GROUP BY s.district;

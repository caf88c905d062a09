-- Statements that are refused, one a line (tests/it/sql.rs): what they ask is not supported, or is wrong.
DROP TABLE events
DELETE FROM events
UPDATE events SET failed = TRUE
CREATE TABLE x AS SELECT 1
INSERT INTO events SELECT * FROM events
COPY events TO 'x.csv'
EXPLAIN SELECT 1
DESCRIBE nothing
FROM events
TABLE events
VALUES (1)
SELECT 1; SELECT 2
SELECT nosuch FROM events
SELECT event_nam FROM events
SELECT * FROM nosuch
SELECT x.event_id FROM events e
SELECT event_id FROM events e JOIN objects o USING (object_id) WHERE account = '1'
SELECT "ConsoleLogin" FROM events
SELECT * FROM events WHERE event_name = "ConsoleLogin"
SELECT count(*) AS n FROM events WHERE account = 111122223333
SELECT count(*) AS n FROM events WHERE event_time >= 'yesterday'
SELECT count(*) AS n FROM events WHERE event_time >= '2026-10-14T02:00:00+02:00'
SELECT count(*) AS n FROM events WHERE event_time >= 20261014
SELECT count(*) AS n FROM events WHERE event_time > event_name
SELECT count(*) AS n FROM events WHERE day = '2026-10-14'
SELECT count(*) AS n FROM objects WHERE day = '2026-10-14T02:00:00Z'
SELECT count(*) AS n FROM events WHERE event_name
SELECT count(*) AS n FROM events WHERE NOT event_name
SELECT count(*) AS n FROM events WHERE number_in_object
SELECT count(*) AS n FROM events WHERE mfa_used = 1
SELECT count(*) AS n FROM events WHERE mfa_used = 'true'
SELECT count(*) AS n FROM events WHERE failed = mfa_used = actor_mfa
SELECT count(*) AS n FROM events WHERE serial = 'a' IS NULL
SELECT count(*) AS n FROM events WHERE event_name ~ 'MFA'
SELECT count(*) AS n FROM events WHERE event_name RLIKE 'MFA'
SELECT count(*) AS n FROM events WHERE event_name SIMILAR TO '%MFA%'
SELECT count(*) AS n FROM events WHERE regexp_matches(event_name, 'MFA')
SELECT count(*) AS n FROM events WHERE (account, event_id) IN (SELECT account, event_id FROM events)
SELECT count(*) AS n FROM events WHERE account = ANY (SELECT account FROM objects)
SELECT count(*) AS n FROM events e WHERE e.event_id IN (SELECT c.event_id FROM calls c WHERE c.account = e.account)
SELECT (SELECT count(*) FROM calls c WHERE c.event_id = e.event_id) AS n FROM events e
SELECT count(*) AS n FROM events WHERE count(*) > 1
SELECT count(count(*)) AS n FROM events
SELECT event_name, account, count(*) AS n FROM events GROUP BY event_name
SELECT event_name FROM events HAVING event_name = 'x'
SELECT event_name, count(*) AS n FROM events
SELECT count(*) AS n FROM events GROUP BY ROLLUP (account)
SELECT count(*) AS n FROM events GROUP BY GROUPING SETS ((account), ())
SELECT count(*) AS n FROM events GROUP BY 'account'
SELECT count(*) AS n FROM events GROUP BY 2
SELECT event_id FROM events ORDER BY 2
SELECT event_id FROM events ORDER BY 'event_time'
SELECT DISTINCT event_name FROM events ORDER BY event_time
SELECT DISTINCT ON (account) event_id FROM events
SELECT lower(event_name) AS event_name, count(*) AS n FROM events GROUP BY event_name
SELECT count(DISTINCT account, event_id) AS n FROM events
SELECT count() AS n FROM events
SELECT sum(event_name) AS n FROM events
SELECT sum(mfa_used) AS n FROM events
SELECT median(size_bytes) AS m FROM objects
SELECT first(event_id) AS f FROM events
SELECT now() AS t
SELECT current_date AS t
SELECT event_time - event_time AS d FROM events
SELECT CAST(event_time AS TEXT) AS t FROM events
SELECT CAST(1.5 AS BIGINT) AS t
SELECT CAST('x' AS BIGINT) AS t
SELECT CAST(1 AS DECIMAL(10, 2)) AS t
SELECT 1 // 0 AS x
SELECT 1 / 0 AS x
SELECT 9223372036854775807 + 1 AS x
SELECT 9223372036854775808 AS x
SELECT sum(x) AS s FROM (SELECT 9223372036854775807 AS x UNION ALL SELECT 1)
SELECT event_time + INTERVAL '999999999 years' AS x FROM events
SELECT date_trunc('fortnight', event_time) AS x FROM events
SELECT date_diff('week', event_time, delivered_at) AS x FROM events
SELECT strftime(event_time, '%c') AS x FROM events
SELECT substr(event_name, -3) AS x FROM events
SELECT repeat('x', 1000000000) AS x
SELECT range(1000000000) AS x
SELECT unnest([1, 2]) AS x
SELECT [1, 2] AS x
SELECT {'a': 1} AS x
SELECT record ->> 'eventID' AS x FROM events
SELECT event_name COLLATE nocase AS x FROM events
SELECT account AS a, region AS a FROM events
SELECT * FROM events NATURAL JOIN objects
SELECT * FROM events JOIN objects
SELECT * FROM events SEMI JOIN objects USING (object_id)
SELECT * FROM events e JOIN events e ON TRUE
SELECT * FROM events, LATERAL (SELECT 1)
SELECT * FROM events TABLESAMPLE (10)
SELECT * FROM generate_series(1, 1000000000)
SELECT * FROM read_csv('x.csv')
SELECT event_name FROM events UNION SELECT mfa_used FROM events
SELECT event_name FROM events UNION SELECT event_name, account FROM events
SELECT event_name FROM events INTERSECT ALL SELECT event_name FROM events
SELECT event_name FROM events EXCEPT ALL SELECT event_name FROM events
SELECT event_name FROM events UNION BY NAME SELECT event_name FROM events
WITH RECURSIVE x AS (SELECT 1 AS a UNION ALL SELECT a + 1 FROM x) SELECT * FROM x
WITH x AS (SELECT 1 AS a) DELETE FROM events
SELECT row_number() OVER () AS n FROM events
SELECT sum(number_in_object) OVER (ORDER BY event_time) AS n FROM events
SELECT row_number() OVER (ORDER BY event_time ROWS 2 PRECEDING) AS n FROM events
SELECT event_id FROM events WHERE row_number() OVER (ORDER BY event_time) = 1
SELECT event_id FROM events QUALIFY row_number() OVER (ORDER BY event_time) = 1
SELECT event_id FROM events LIMIT -1
SELECT event_id FROM events LIMIT 1 + 1
SELECT event_id FROM events FETCH FIRST 3 ROWS ONLY
SELECT TOP 3 event_id FROM events
SELECT event_id INTO x FROM events
SELECT event_id FROM events FOR UPDATE
SELECT * REPLACE (1 AS event_id) FROM events
SELECT (SELECT event_id FROM events) AS x
SELECT (SELECT 1, 2) AS x
SELECT E'a\n' AS x
SELECT ? AS x
SELECT $1 AS x
SELECT x'ff' AS x
SELECT event_id FROM events WHERE event_time AT TIME ZONE 'Europe/Paris' > '2026-10-14'
SELECT EVENT_ID FROM main.events
SELECT a.b.c FROM events
SELECT FROM events
SELECT event_id, FROM events
SELECT

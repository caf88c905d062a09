-- Statements over a store of the fixtures, one a line, whose answers equal DuckDB's over the same files (tests/it/sql.rs).
-- Those that end with the mark `ordered` are compared to the order of their rows.

-- Three-valued logic: without MFA is not "not with MFA".
SELECT count(*) AS n FROM events WHERE mfa_used
SELECT count(*) AS n FROM events WHERE NOT mfa_used
SELECT count(*) AS n FROM events WHERE mfa_used IS TRUE
SELECT count(*) AS n FROM events WHERE mfa_used IS NOT TRUE
SELECT count(*) AS n FROM events WHERE mfa_used IS FALSE
SELECT count(*) AS n FROM events WHERE mfa_used IS NOT FALSE
SELECT count(*) AS n FROM events WHERE mfa_used IS NULL
SELECT count(*) AS n FROM events WHERE mfa_used IS NOT NULL
SELECT count(*) AS n FROM events WHERE mfa_used IS UNKNOWN
SELECT count(*) AS n FROM events WHERE mfa_used IS NOT UNKNOWN
SELECT count(*) AS n FROM events WHERE mfa_used = TRUE
SELECT count(*) AS n FROM events WHERE mfa_used <> TRUE
SELECT count(*) AS n FROM events WHERE mfa_used != FALSE
SELECT count(*) AS n FROM events WHERE NOT (mfa_used = FALSE)
SELECT count(*) AS n FROM events WHERE NOT mfa_used IS TRUE
SELECT count(*) AS n FROM events WHERE mfa_used IS DISTINCT FROM TRUE
SELECT count(*) AS n FROM events WHERE mfa_used IS NOT DISTINCT FROM TRUE
SELECT count(*) AS n FROM events WHERE mfa_used IS DISTINCT FROM TRUE AND event_name = 'ConsoleLogin'
SELECT count(*) AS n FROM events WHERE mfa_used IS DISTINCT FROM TRUE OR event_name = 'ConsoleLogin'
SELECT count(*) AS n FROM events WHERE COALESCE(mfa_used, FALSE)
SELECT count(*) AS n FROM events WHERE NOT COALESCE(mfa_used, FALSE)
SELECT count(*) AS n FROM events WHERE mfa_used AND actor_mfa
SELECT count(*) AS n FROM events WHERE mfa_used OR actor_mfa
SELECT count(*) AS n FROM events WHERE NOT (mfa_used OR actor_mfa)
SELECT count(*) AS n FROM events WHERE NOT mfa_used OR NOT actor_mfa
SELECT count(*) AS n FROM events WHERE (mfa_used OR actor_mfa) IS NOT TRUE
SELECT count(*) AS n FROM events WHERE (mfa_used AND failed) IS NULL
SELECT count(*) AS n FROM events WHERE mfa_used = actor_mfa
SELECT count(*) AS n FROM events WHERE (mfa_used = actor_mfa) IS NULL
SELECT count(*) AS n FROM events WHERE NULL
SELECT count(*) AS n FROM events WHERE NOT NULL
SELECT count(*) AS n FROM events WHERE TRUE
SELECT count(*) AS n FROM events WHERE NULL OR TRUE
SELECT count(*) AS n FROM events WHERE serial = NULL
SELECT count(*) AS n FROM events WHERE serial <> NULL
SELECT count(*) AS n FROM events WHERE NOT (serial = NULL)
SELECT mfa_used, count(*) AS n FROM events GROUP BY mfa_used
SELECT mfa_used IS TRUE AS with_mfa, count(*) AS n FROM events WHERE event_name = 'ConsoleLogin' AND NOT failed GROUP BY 1
SELECT actor_mfa, session_access_key, count(*) AS n FROM events GROUP BY actor_mfa, session_access_key
SELECT count(mfa_used) AS n, count(*) - count(mfa_used) AS unknown FROM events
SELECT count(*) FILTER (WHERE mfa_used) AS yes, count(*) FILTER (WHERE NOT mfa_used) AS no, count(*) FILTER (WHERE mfa_used IS NULL) AS unknown FROM events
SELECT count(*) FILTER (WHERE mfa_used IS NOT TRUE) AS n FROM events WHERE action = 'console_login'
SELECT sum(CASE WHEN mfa_used THEN 1 ELSE 0 END) AS n FROM events
SELECT sum(CASE WHEN mfa_used THEN 1 END) AS n, sum(CASE WHEN mfa_used IS NOT TRUE THEN 1 END) AS m FROM events
SELECT bool_and(mfa_used) AS every_one, bool_or(mfa_used) AS any_one FROM events GROUP BY event_name
SELECT account, bool_and(actor_mfa IS TRUE) AS x FROM events GROUP BY account

-- Lists and subqueries with NULL.
SELECT count(*) AS n FROM events WHERE event_name IN ('ConsoleLogin', 'CreateUser')
SELECT count(*) AS n FROM events WHERE event_name NOT IN ('ConsoleLogin', 'CreateUser')
SELECT count(*) AS n FROM events WHERE serial IN ('x', NULL)
SELECT count(*) AS n FROM events WHERE event_name IN ('ConsoleLogin', NULL)
SELECT count(*) AS n FROM events WHERE event_name NOT IN ('ConsoleLogin', NULL)
SELECT count(*) AS n FROM events WHERE (event_name NOT IN ('ConsoleLogin', NULL)) IS NULL
SELECT count(*) AS n FROM events WHERE target_name NOT IN ('jonas.lind')
SELECT count(*) AS n FROM events WHERE target_name IN (actor_name, 'nora')
SELECT count(*) AS n FROM events WHERE target_name NOT IN (actor_name, 'nora')
SELECT count(*) AS n FROM events WHERE actor_name IN (SELECT target_name FROM events)
SELECT count(*) AS n FROM events WHERE actor_name NOT IN (SELECT target_name FROM events)
SELECT count(*) AS n FROM events WHERE actor_name NOT IN (SELECT target_name FROM events WHERE target_name IS NOT NULL)
SELECT count(*) AS n FROM events WHERE actor_name NOT IN (SELECT target_name FROM events WHERE FALSE)
SELECT count(*) AS n FROM events WHERE actor_name IN (SELECT target_name FROM events WHERE FALSE)
SELECT count(*) AS n FROM events WHERE object_id IN (SELECT object_id FROM objects WHERE status = 'read')
SELECT count(*) AS n FROM events WHERE object_id NOT IN (SELECT object_id FROM objects WHERE status = 'read')
SELECT count(*) AS n FROM events WHERE event_time IN ('2026-10-01T08:00:00Z', '2026-10-05')
SELECT count(*) AS n FROM events WHERE number_in_object IN (0, 1)
SELECT count(*) AS n FROM events WHERE number_in_object NOT IN (0, 1)
SELECT count(*) AS n FROM events WHERE EXISTS (SELECT 1 FROM runs)
SELECT count(*) AS n FROM events WHERE NOT EXISTS (SELECT 1 FROM runs WHERE kind = 'report')
SELECT count(*) AS n FROM events e WHERE EXISTS (SELECT 1 FROM calls c WHERE c.actor_name = e.target_name)
SELECT count(*) AS n FROM events e WHERE NOT EXISTS (SELECT 1 FROM calls c WHERE c.actor_name = e.target_name)
SELECT count(*) AS n FROM events e WHERE NOT EXISTS (SELECT * FROM calls c WHERE c.actor_name = e.target_name AND c.event_time > e.event_time)
SELECT count(*) AS n FROM events e WHERE EXISTS (SELECT 1 FROM events o WHERE o.serial = e.serial AND o.event_name = 'DeactivateMFADevice' AND o.event_time > e.event_time)
SELECT e.event_id FROM events e WHERE e.event_name = 'DeactivateMFADevice' AND NOT e.failed AND NOT EXISTS (SELECT 1 FROM events o WHERE o.target_name = e.target_name AND o.account = e.account AND o.event_name = 'EnableMFADevice' AND o.event_time > e.event_time)
SELECT count(*) AS n FROM events WHERE event_time = (SELECT max(event_time) FROM events)
SELECT count(*) AS n FROM events WHERE event_time > (SELECT min(event_time) FROM events WHERE FALSE)
SELECT (SELECT count(*) FROM calls) AS calls, (SELECT count(*) FROM events) AS events
SELECT (SELECT event_name FROM events WHERE FALSE) AS x

-- Times, as the tool prints them.
SELECT count(*) AS n FROM events WHERE event_time >= '2026-10-14T02:00:00Z'
SELECT count(*) AS n FROM events WHERE event_time >= '2026-10-14 02:00:00'
SELECT count(*) AS n FROM events WHERE event_time >= '2026-10-14T02:00Z'
SELECT count(*) AS n FROM events WHERE event_time >= '2026-10-14'
SELECT count(*) AS n FROM events WHERE event_time < DATE '2026-10-14'
SELECT count(*) AS n FROM events WHERE event_time < TIMESTAMP '2026-10-14T02:00:00Z'
SELECT count(*) AS n FROM events WHERE '2026-10-14T02:00:00Z' > event_time
SELECT count(*) AS n FROM events WHERE event_time BETWEEN '2026-10-01' AND '2026-10-31T23:59:59Z'
SELECT count(*) AS n FROM events WHERE event_time NOT BETWEEN '2026-10-01' AND '2026-10-31'
SELECT count(*) AS n FROM events WHERE event_time >= '2026-10-14T02:00:00.5Z'
SELECT count(*) AS n FROM events WHERE event_time = '2026-10-14'
SELECT count(*) AS n FROM events WHERE CAST(event_time AS DATE) = '2026-10-14'
SELECT count(*) AS n FROM events WHERE event_time::DATE = DATE '2026-10-14'
SELECT count(*) AS n FROM events WHERE event_time >= CAST('2026-10-14T02:00:00Z' AS TIMESTAMP)
SELECT count(*) AS n FROM events WHERE event_time + INTERVAL '1 day' > '2026-10-14'
SELECT count(*) AS n FROM events WHERE event_time - INTERVAL 36 HOUR > '2026-10-14'
SELECT count(*) AS n FROM events WHERE event_time > TIMESTAMP '2026-10-14' + INTERVAL '1 month'
SELECT min(event_time) AS first, max(event_time) AS last FROM events
SELECT min(event_time) AS first, max(event_time) AS last FROM calls WHERE FALSE
SELECT date_trunc('day', event_time) AS day, count(*) AS n FROM events GROUP BY 1
SELECT date_trunc('week', event_time) AS week, count(*) AS n FROM events GROUP BY week
SELECT date_trunc('month', event_time) AS month, count(*) AS n FROM events GROUP BY month ORDER BY month -- ordered
SELECT extract(hour FROM event_time) AS hour, count(*) AS n FROM calls GROUP BY hour ORDER BY hour -- ordered
SELECT date_part('dow', event_time) AS dow, count(*) AS n FROM calls GROUP BY 1 ORDER BY 1 -- ordered
SELECT year(event_time) AS y, month(event_time) AS m, day(event_time) AS d, count(*) AS n FROM events GROUP BY ALL
SELECT strftime(event_time, '%Y-%m-%d %H:%M') AS t, count(*) AS n FROM events GROUP BY t
SELECT event_id, date_diff('second', event_time, delivered_at) AS s FROM events
SELECT event_id, date_diff('hour', event_time, '2026-11-01') AS h FROM events
SELECT max(date_diff('day', first_record, last_record)) AS d FROM objects
SELECT day, count(*) AS n FROM objects GROUP BY day
SELECT count(*) AS n FROM objects WHERE day = '2026-10-14'
SELECT count(*) AS n FROM objects WHERE day >= DATE '2026-10-14'
SELECT count(*) AS n FROM objects WHERE day < delivered_at
SELECT max(day) AS d, min(day) + 1 AS e FROM objects
SELECT delivered_at IS NULL AS x, count(*) AS n FROM events GROUP BY 1
SELECT extract(epoch FROM event_time) AS s FROM events
SELECT "from", "to" FROM runs
SELECT started_at IS NOT NULL AS x FROM runs

-- Text and patterns.
SELECT count(*) AS n FROM events WHERE event_name LIKE '%MFA%'
SELECT count(*) AS n FROM events WHERE event_name NOT LIKE '%MFA%'
SELECT count(*) AS n FROM events WHERE event_name ILIKE '%mfa%'
SELECT count(*) AS n FROM events WHERE serial LIKE '%'
SELECT count(*) AS n FROM events WHERE serial NOT LIKE '%phone%'
SELECT count(*) AS n FROM events WHERE (serial NOT LIKE '%phone%') IS NOT FALSE
SELECT count(*) AS n FROM events WHERE action LIKE 'device!_%' ESCAPE '!'
SELECT count(*) AS n FROM events WHERE action LIKE 'device_%'
SELECT count(*) AS n FROM events WHERE action LIKE '______\_%'
SELECT count(*) AS n FROM events WHERE lower(event_name) = 'consolelogin'
SELECT count(*) AS n FROM events WHERE upper(target_name) = 'JONAS.LIND'
SELECT count(*) AS n FROM events WHERE event_name = 'consolelogin'
SELECT count(*) AS n FROM events WHERE starts_with(source_ip, '192.0.2.')
SELECT count(*) AS n FROM events WHERE contains(user_agent, 'aws-cli')
SELECT count(*) AS n FROM events WHERE ends_with(serial, 'phone')
SELECT count(*) AS n FROM events WHERE target_name || '@' || account = 'jonas.lind@111122223333'
SELECT target_name || ':' || actor_name AS x FROM events
SELECT concat(target_name, ':', actor_name) AS x FROM events
SELECT concat_ws('/', account, region, target_name) AS x FROM events
SELECT split_part(actor_arn, '/', 2) AS role, count(*) AS n FROM events GROUP BY role
SELECT split_part(serial, '/', -1) AS device FROM events
SELECT length(target_name) AS n FROM events
SELECT substr(event_name, 1, 6) AS verb, count(*) AS n FROM calls GROUP BY verb
SELECT substring(event_name FROM 2 FOR 3) AS x FROM events
SELECT left(account, 4) AS a, right(account, 4) AS b FROM events
SELECT replace(serial, 'arn:aws:iam::', '') AS x FROM events
SELECT strpos(serial, '/') AS x, position('/' IN serial) AS y FROM events
SELECT trim('  a ') AS x, ltrim('  a ') AS y, rtrim('  a ') AS z, trim('xax', 'x') AS w
SELECT COALESCE(target_name, actor_name, 'nobody') AS x FROM events
SELECT NULLIF(account, '111122223333') AS x FROM events
SELECT count(*) AS n FROM events WHERE account > '111122223333'
SELECT count(*) AS n FROM events WHERE event_name > 'D'
SELECT min(event_name) AS a, max(event_name) AS b FROM events
SELECT 'it''s' AS x, '"' AS y, '%' AS z, '\n' AS w
SELECT '' = ' ' AS x, '' IS NULL AS y
SELECT count(*) AS n FROM events WHERE region = ''

-- Groups and sums.
SELECT count(*) AS n FROM events
SELECT count(*) AS n, count(serial) AS s, count(DISTINCT serial) AS d FROM events
SELECT count(DISTINCT (account, event_id)) AS n FROM events
SELECT count(DISTINCT (account, event_id)) AS n FROM events WHERE event_name = 'DeactivateMFADevice' AND NOT failed
SELECT count(DISTINCT (serial, mfa_used)) AS n FROM events
SELECT account, count(DISTINCT (actor_name, source_ip)) AS n FROM calls GROUP BY account
SELECT event_name, count(*) AS n FROM events GROUP BY event_name ORDER BY count(*) DESC, event_name -- ordered
SELECT event_name FROM events GROUP BY event_name ORDER BY max(event_time), event_name -- ordered
SELECT event_name, count(*) AS n FROM events GROUP BY event_name HAVING count(*) > 5
SELECT event_name, count(*) AS n FROM events GROUP BY event_name HAVING n > 5 AND min(event_time) > '2026-09-15'
SELECT target_name, count(*) AS n FROM events GROUP BY target_name
SELECT serial, min(event_time) AS first, max(event_time) AS last FROM events GROUP BY serial
SELECT account, region, count(*) AS n FROM calls GROUP BY account, region
SELECT lower(target_name) AS who, count(*) AS n FROM events GROUP BY lower(target_name)
SELECT count(*) AS n, max(number_in_object) AS m FROM events WHERE FALSE
SELECT sum(size_bytes) AS s, avg(size_bytes) AS a, min(size_bytes) AS b, max(size_bytes) AS c FROM objects
SELECT sum(size_bytes) AS s, avg(size_bytes) AS a FROM objects WHERE FALSE
SELECT status, sum(records) AS r, sum(stored_bytes) AS b FROM objects GROUP BY status
SELECT sum(records) AS r FROM objects GROUP BY account HAVING sum(records) > 100
SELECT account, sum(events) * 100 / sum(records) AS share FROM objects WHERE records > 0 GROUP BY account
SELECT count(*) / 7 AS a, count(*) // 7 AS b, count(*) % 7 AS c FROM events
SELECT 7 / 2 AS a, 7 // 2 AS b, -7 // 2 AS c, -7 % 3 AS d, 7 - 2 * 3 AS e, (7 - 2) * 3 AS f, - 7 AS g
SELECT round(avg(size_bytes), 2) AS r, floor(avg(size_bytes)) AS f, ceil(avg(size_bytes)) AS c FROM objects
SELECT round(2.5) AS a, round(-2.5) AS b, abs(-3) AS c
SELECT avg(number_in_object) AS a FROM events GROUP BY account
SELECT sum(DISTINCT number_in_object) AS s, avg(DISTINCT number_in_object) AS a FROM events
SELECT string_agg(DISTINCT event_name, ', ' ORDER BY event_name) AS names FROM events
SELECT account, string_agg(event_id, ',' ORDER BY event_time, event_id) AS ids FROM events WHERE event_name = 'DeactivateMFADevice' GROUP BY account
SELECT max(mfa_used) AS m FROM events
SELECT count(*) + 1 AS n, 'x' AS x FROM events
SELECT upper(event_name) AS x, count(*) AS n FROM events GROUP BY event_name
SELECT count(DISTINCT date_trunc('day', event_time)) AS days FROM events
SELECT greatest(records, events, NULL) AS g, least(records, events) AS l FROM objects
SELECT DISTINCT event_name FROM events
SELECT DISTINCT account, mfa_used FROM events
SELECT DISTINCT event_name FROM events ORDER BY event_name DESC LIMIT 3 -- ordered
SELECT count(*) AS n FROM (SELECT DISTINCT serial FROM events)

-- Order and limits.
SELECT event_id FROM events ORDER BY event_time, event_id, number_in_object, object_id LIMIT 5 -- ordered
SELECT event_id FROM events ORDER BY event_time DESC, event_id DESC, object_id LIMIT 5 OFFSET 3 -- ordered
SELECT DISTINCT serial FROM events ORDER BY serial -- ordered
SELECT DISTINCT serial FROM events ORDER BY serial DESC -- ordered
SELECT DISTINCT serial FROM events ORDER BY serial NULLS FIRST -- ordered
SELECT DISTINCT serial FROM events ORDER BY serial DESC NULLS LAST -- ordered
SELECT DISTINCT serial FROM events ORDER BY serial DESC NULLS FIRST LIMIT 4 -- ordered
SELECT DISTINCT mfa_used FROM events ORDER BY mfa_used -- ordered
SELECT DISTINCT mfa_used FROM events ORDER BY 1 DESC -- ordered
SELECT DISTINCT target_name AS who, account FROM events ORDER BY account, who -- ordered
SELECT event_name AS e, count(*) AS n FROM events GROUP BY e ORDER BY n DESC, e LIMIT 3 -- ordered
SELECT event_name AS e, count(*) AS n FROM events GROUP BY e ORDER BY 2, 1 -- ordered
SELECT DISTINCT event_id, target_name IS NULL AS x FROM events ORDER BY target_name IS NULL, event_id -- ordered
SELECT event_id FROM events LIMIT 0
SELECT count(*) AS n FROM (SELECT event_id FROM events LIMIT 7)
SELECT count(*) AS n FROM (SELECT event_id FROM events LIMIT 7 OFFSET 1000000)
SELECT count(*) AS n FROM (SELECT event_id FROM events LIMIT 1000000000000)

-- Joins.
SELECT count(*) AS n FROM events e JOIN objects o USING (object_id) WHERE o.status = 'read'
SELECT count(*) AS n FROM events e JOIN objects o ON e.object_id = o.object_id AND o.status = 'read'
SELECT count(*) AS n FROM events e INNER JOIN objects o ON o.object_id = e.object_id
SELECT count(*) AS n, count(e.event_id) AS m FROM objects o LEFT JOIN events e USING (object_id)
SELECT count(*) AS n, count(e.event_id) AS m FROM events e RIGHT JOIN objects o USING (object_id)
SELECT count(*) AS n, count(e.event_id) AS m, count(o.object_id) AS k FROM events e FULL JOIN objects o ON e.object_id = o.object_id
SELECT count(*) AS n, count(object_id) AS m FROM events FULL JOIN objects USING (object_id)
SELECT count(*) AS n FROM objects o LEFT JOIN events e ON e.object_id = o.object_id AND e.failed WHERE e.event_id IS NULL
SELECT count(*) AS n FROM events a JOIN events b ON a.serial = b.serial
SELECT count(*) AS n FROM events a JOIN events b ON a.serial IS NOT DISTINCT FROM b.serial AND a.account = b.account
SELECT count(*) AS n FROM events a LEFT JOIN events b ON a.serial = b.serial AND b.event_name = 'DeactivateMFADevice'
SELECT a.event_id, b.event_id AS later FROM events a JOIN events b ON a.serial = b.serial AND a.event_time < b.event_time AND b.event_name = 'DeactivateMFADevice'
SELECT count(*) AS n FROM events e, objects o WHERE e.object_id = o.object_id AND o.status = 'read'
SELECT count(*) AS n FROM runs CROSS JOIN events
SELECT count(*) AS n FROM runs, events
SELECT o.status, e.event_name, count(*) AS n FROM events e JOIN objects o USING (object_id) GROUP BY o.status, e.event_name
SELECT e.account, o.account AS folder, count(*) AS n FROM events e JOIN objects o ON e.object_id = o.object_id GROUP BY e.account, o.account
SELECT object_id, e.event_id, o.size_bytes FROM events AS e JOIN objects AS o USING (object_id)
SELECT count(*) AS n FROM events e JOIN objects o USING (object_id) JOIN calls c USING (object_id)
SELECT count(*) AS n FROM events JOIN (SELECT object_id AS id FROM objects WHERE records > 1) AS o ON object_id = o.id
SELECT count(*) AS n FROM (events e JOIN objects o USING (object_id))
SELECT count(*) AS n FROM events e JOIN objects o ON e.object_size_bytes <> o.size_bytes AND e.object_id = o.object_id
SELECT count(*) AS n FROM runs a JOIN runs b ON a.run < b.run

-- Sets.
SELECT event_name FROM events UNION SELECT event_name FROM calls
SELECT event_name FROM events UNION ALL SELECT action FROM events
SELECT serial FROM events UNION SELECT NULL
SELECT actor_name FROM events INTERSECT SELECT target_name FROM events
SELECT target_name FROM events EXCEPT SELECT actor_name FROM calls
SELECT mfa_used FROM events INTERSECT SELECT actor_mfa FROM events
SELECT mfa_used FROM events EXCEPT SELECT TRUE
SELECT 1 AS x UNION SELECT 2 UNION SELECT 1
SELECT 1 AS x UNION SELECT 2.5
SELECT event_name FROM events UNION SELECT event_name FROM calls ORDER BY event_name LIMIT 5 -- ordered
SELECT event_name FROM events INTERSECT SELECT event_name FROM calls EXCEPT SELECT 'ConsoleLogin'
(SELECT event_name FROM events) EXCEPT (SELECT event_name FROM events WHERE failed)
SELECT account FROM events UNION SELECT account FROM calls INTERSECT SELECT account FROM objects

-- WITH, and queries in FROM.
WITH x AS (SELECT target_name AS who, count(*) AS n FROM events GROUP BY target_name) SELECT who, n FROM x WHERE n > 2
WITH x AS (SELECT * FROM events WHERE failed), y AS (SELECT account, count(*) AS n FROM x GROUP BY account) SELECT * FROM y
WITH x(a, b) AS (SELECT account, event_name FROM events) SELECT a, count(DISTINCT b) AS n FROM x GROUP BY a
WITH removed AS (SELECT account, target_name, min(event_time) AS since FROM events WHERE event_name = 'DeactivateMFADevice' AND NOT failed GROUP BY account, target_name) SELECT r.target_name, count(*) AS n FROM removed r JOIN calls c ON c.account = r.account AND c.actor_name = r.target_name AND c.event_time > r.since GROUP BY r.target_name
WITH x AS (SELECT 1 AS a), x2 AS (SELECT a + 1 AS a FROM x) SELECT a FROM x UNION ALL SELECT a FROM x2
SELECT n, count(*) AS users FROM (SELECT target_name, count(*) AS n FROM events GROUP BY target_name) AS x GROUP BY n
SELECT x.n FROM (SELECT count(*) AS n FROM events) x
SELECT avg(n) AS mean FROM (SELECT count(*) AS n FROM events GROUP BY target_name)

-- Windows.
SELECT event_id, object_id, row_number() OVER (PARTITION BY serial ORDER BY event_time, event_id, object_id) AS n FROM events
SELECT event_name, rank() OVER (ORDER BY count(*) DESC) AS r FROM events GROUP BY event_name
SELECT event_name, dense_rank() OVER (ORDER BY count(*) DESC NULLS LAST) AS r, count(*) * 100 / sum(count(*)) OVER () AS share FROM events GROUP BY event_name
SELECT event_id, object_id, lag(event_time) OVER (PARTITION BY target_name ORDER BY event_time, event_id, object_id) AS before FROM events
SELECT event_id, object_id, lead(event_name, 2) OVER (PARTITION BY account ORDER BY event_time, event_id, object_id) AS later FROM events
SELECT event_id, object_id, first_value(event_id) OVER (PARTITION BY serial ORDER BY event_time, event_id, object_id) AS f FROM events
SELECT event_id, count(*) OVER (PARTITION BY serial) AS n, max(event_time) OVER (PARTITION BY account) AS last FROM events
SELECT * FROM (SELECT account, event_id, object_id, row_number() OVER (PARTITION BY account ORDER BY event_time DESC, event_id, object_id) AS n FROM events) AS x WHERE n = 1

-- Names, cases, comments.
SELECT EVENT_NAME, Count(*) AS N FROM Events GROUP BY Event_Name
select "event_name" from "events" where "failed"
SELECT e.* EXCLUDE (record) FROM events AS e WHERE failed
SELECT kind, version IS NULL AS v, run FROM runs
SELECT count(*) AS "a b", 1 AS "select" FROM events
SELECT event_name AS who FROM events WHERE who LIKE 'Create%'
SELECT 1 AS one, 1.5 AS x, TRUE AS t, NULL AS n, 'a' AS s, DATE '2026-10-14' AS d, TIMESTAMP '2026-10-14 02:00:00' AS m
SELECT CASE WHEN failed THEN 'failed' WHEN mfa_used THEN 'mfa' ELSE 'other' END AS x, count(*) AS n FROM events GROUP BY 1
SELECT CASE action WHEN 'console_login' THEN 1 WHEN 'user_created' THEN 2 END AS x, count(*) AS n FROM events GROUP BY x
SELECT CASE WHEN serial <> '' THEN 1 ELSE 0 END AS x FROM events
SELECT CAST(number_in_object AS TEXT) AS a, CAST(failed AS TEXT) AS b, CAST(account AS BIGINT) AS c, CAST(failed AS INTEGER) AS d FROM events
SELECT TRY_CAST(event_name AS BIGINT) AS x, CAST('12' AS BIGINT) AS y, CAST('2026-10-14' AS DATE) AS z FROM events
SELECT count(*) AS n FROM events WHERE CAST(account AS BIGINT) = 111122223333

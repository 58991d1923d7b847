-- What other programs may read: stable names and columns, described in docs/store.md. Tables are
-- ours alone and change with any version.

-- One row per run, as monitors of a workflow table expect it. Whatever did not complete has
-- "failed"; what has not started stands at the time of its submit; duration in milliseconds.
CREATE VIEW workflow_executions (id, workflow, status, started, completed, duration) AS
SELECT r.id, t.name,
    CASE WHEN r.state < 3 THEN 'pending' WHEN r.state = 3 THEN 'running'
         WHEN r.state = 4 THEN 'completed' ELSE 'failed' END,
    strftime('%Y-%m-%dT%H:%M:%fZ', coalesce(r.started, r.created), 'unixepoch'),
    strftime('%Y-%m-%dT%H:%M:%fZ', r.ended, 'unixepoch'),
    CASE WHEN r.state > 3 AND r.started IS NOT NULL
         THEN CAST(round(max(r.ended - r.started, 0) * 1000) AS INTEGER) END
FROM runs r JOIN tasks t ON t.id = r.task;

CREATE VIEW run_list (id, task, label, state, reason, created, due, started, ended, wait_seconds,
    run_seconds, attempt, flow, worker, done, total, message, error_type, error) AS
SELECT r.id, t.name, coalesce(r.label, t.name),
    CASE r.state WHEN 0 THEN 'blocked' WHEN 1 THEN 'scheduled' WHEN 2 THEN 'pending'
        WHEN 3 THEN 'running' WHEN 4 THEN 'completed' WHEN 5 THEN 'failed'
        WHEN 6 THEN 'cancelled' ELSE 'skipped' END,
    r.reason,
    strftime('%Y-%m-%dT%H:%M:%fZ', r.created, 'unixepoch'),
    CASE WHEN r.state = 1 THEN strftime('%Y-%m-%dT%H:%M:%fZ', r.due, 'unixepoch') END,
    strftime('%Y-%m-%dT%H:%M:%fZ', r.started, 'unixepoch'),
    strftime('%Y-%m-%dT%H:%M:%fZ', r.ended, 'unixepoch'),
    round(max(r.started - r.ready, 0), 6),
    round(max(r.ended - r.started, 0), 6),
    r.attempt, r.flow,
    CASE WHEN r.state = 3 THEN r.worker END,
    json_extract(CAST(r.progress AS TEXT), '$[0]'),
    json_extract(CAST(r.progress AS TEXT), '$[1]'),
    json_extract(CAST(r.progress AS TEXT), '$[2]'),
    json_extract(CAST(r.error AS TEXT), '$.type'),
    json_extract(CAST(r.error AS TEXT), '$.text')
FROM runs r JOIN tasks t ON t.id = r.task;

-- One row per key of a limit: units held of those there are; runs that hold some now, runs that
-- wait in its lines. per_seconds: of a rate. size: the level an adaptive limit has found.
CREATE VIEW limit_usage (key, per_seconds, held, size, running, waiting) AS
SELECT k.name, nullif(k.per, 0), k.held,
    coalesce(k.level, (
        SELECT max(coalesce(json_extract(c.value, '$[6]'), json_extract(c.value, '$[2]')))
        FROM lane_keys lk JOIN lanes l ON l.id = lk.lane, json_each(l.claims) c
        WHERE lk.key = k.id AND json_extract(c.value, '$[0]') = k.name
            AND coalesce(json_extract(c.value, '$[1]'), 0) = k.per)),
    (SELECT count(*) FROM lane_keys lk JOIN runs r ON r.lane = lk.lane AND r.state = 3
        WHERE lk.key = k.id),
    (SELECT count(*) FROM lane_keys lk JOIN runs r ON r.lane = lk.lane AND r.state = 2
        WHERE lk.key = k.id)
FROM keys k;

CREATE VIEW worker_list (id, name, host, pid, started, concurrency, tasks, state, running) AS
SELECT w.id, w.name, w.host, w.pid, strftime('%Y-%m-%dT%H:%M:%fZ', w.started, 'unixepoch'),
    w.concurrency, w.tasks, w.state,
    (SELECT count(*) FROM runs r WHERE r.worker = w.id AND r.state = 3)
FROM workers w WHERE w.state <> 'gone';

-- Ends per day (UTC) and task.
CREATE VIEW daily_counts (day, task, completed, failed, cancelled, skipped, run_seconds) AS
SELECT date(r.ended, 'unixepoch'), t.name,
    count(CASE r.state WHEN 4 THEN 1 END), count(CASE r.state WHEN 5 THEN 1 END),
    count(CASE r.state WHEN 6 THEN 1 END), count(CASE r.state WHEN 7 THEN 1 END),
    round(total(max(r.ended - r.started, 0)), 6)
FROM runs r JOIN tasks t ON t.id = r.task
WHERE r.state > 3
GROUP BY 1, 2;

-- For pruning: whether a line is still asked for by runs that do not wait in it.
CREATE INDEX runs_apart ON runs (lane) WHERE state < 2 AND lane IS NOT NULL;

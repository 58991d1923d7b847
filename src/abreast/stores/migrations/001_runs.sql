-- One box: runs, what they wait for, and who executes them. States, reasons: see domain/states.py
-- (0 blocked, 1 scheduled, 2 pending, 3 running, 4 completed, 5 failed, 6 cancelled, 7 skipped).
-- Times are seconds since 1970 in UTC.

CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;

CREATE TABLE tasks (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);

CREATE TABLE runs (
    id       INTEGER PRIMARY KEY,
    task     INTEGER NOT NULL,
    state    INTEGER NOT NULL,
    reason   TEXT,
    lane     INTEGER,           -- the line it waits in, once that is known
    turn     INTEGER NOT NULL DEFAULT 0,
    rank     REAL,              -- created - priority, and then -path: smaller starts first
    path     REAL,
    created  REAL NOT NULL,
    ready    REAL NOT NULL,
    due      REAL,
    started  REAL,
    ended    REAL,
    attempt  INTEGER NOT NULL DEFAULT 0,
    crashes  INTEGER NOT NULL DEFAULT 0,
    missing  INTEGER NOT NULL DEFAULT 0,
    worker   INTEGER,           -- who executes it, or did last, and in which process
    pid      INTEGER,
    asked    TEXT,              -- somebody wants it to end: a reason
    flow     INTEGER,           -- the run it is a child of
    label    TEXT,
    fair     TEXT,              -- the value of fair_by
    needy    INTEGER NOT NULL DEFAULT 0,  -- its arguments name results of other runs
    wall     REAL,              -- when it is too late: the earlier of expires and deadline
    args     BLOB,              -- JSON [args, kwargs]; NULL: none
    value    BLOB,              -- JSON; NULL: None
    error    BLOB,              -- JSON {type, text, trace, notes}
    extra    BLOB,              -- JSON: what only some runs have
    progress BLOB               -- JSON [done, total, message]
);
CREATE INDEX runs_line ON runs (lane, turn, rank, path, id) WHERE state = 2;
CREATE INDEX runs_fair ON runs (lane, fair) WHERE state = 2 AND fair IS NOT NULL;
CREATE INDEX runs_due ON runs (due, id) WHERE state = 1;
CREATE INDEX runs_running ON runs (worker) WHERE state = 3;
CREATE INDEX runs_wall ON runs (wall) WHERE wall IS NOT NULL AND state < 3;
CREATE INDEX runs_held ON runs (lane) WHERE state = 3 AND lane IS NOT NULL;
CREATE INDEX runs_flow ON runs (flow, id) WHERE flow IS NOT NULL;
CREATE INDEX runs_bad ON runs (state, id) WHERE state > 4;
CREATE INDEX runs_task ON runs (task, id);

-- child comes after parent; soft: any end of the parent will do
CREATE TABLE edges (
    parent INTEGER NOT NULL, child INTEGER NOT NULL, soft INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (parent, child)
) WITHOUT ROWID;
CREATE INDEX edges_child ON edges (child);
-- a parent whose children are still being released, and up to which child
CREATE TABLE releases (parent INTEGER PRIMARY KEY, child INTEGER NOT NULL);

CREATE TABLE flows (
    id INTEGER PRIMARY KEY, fail_fast INTEGER NOT NULL DEFAULT 0, failed INTEGER NOT NULL DEFAULT 0,
    began REAL, total INTEGER NOT NULL DEFAULT 0, ended INTEGER NOT NULL DEFAULT 0,
    bad INTEGER NOT NULL DEFAULT 0, message TEXT NOT NULL DEFAULT ''
);

-- attempts that did not end their run
CREATE TABLE attempts (
    run INTEGER NOT NULL, number INTEGER NOT NULL, started REAL, ended REAL, reason TEXT,
    error BLOB, worker INTEGER, pid INTEGER, PRIMARY KEY (run, number)
) WITHOUT ROWID;

CREATE TABLE steps (
    run INTEGER NOT NULL, name TEXT NOT NULL, number INTEGER NOT NULL, attempt INTEGER NOT NULL,
    input BLOB, output BLOB, error TEXT, started REAL NOT NULL, ended REAL,
    PRIMARY KEY (run, name)
) WITHOUT ROWID;

-- lines of runs that ask the same of the same keys; the h_ columns are the first run of a line
CREATE TABLE lanes (
    id INTEGER PRIMARY KEY, task INTEGER NOT NULL, claims TEXT NOT NULL,
    parked INTEGER,             -- the key without room that holds the line back
    woken INTEGER,              -- the key that woke it
    turn INTEGER NOT NULL DEFAULT 0,
    h_rank REAL, h_path REAL, h_id INTEGER,
    UNIQUE (task, claims)
);
CREATE INDEX lanes_awake ON lanes (h_rank, h_path, h_id)
    WHERE parked IS NULL AND h_id IS NOT NULL;
CREATE INDEX lanes_parked ON lanes (parked, h_rank, h_path, h_id)
    WHERE parked IS NOT NULL AND h_id IS NOT NULL;
CREATE TABLE lane_keys (
    key INTEGER NOT NULL, lane INTEGER NOT NULL, PRIMARY KEY (key, lane)
) WITHOUT ROWID;
-- the last turn given to a value of fair_by in a line
CREATE TABLE turns (
    lane INTEGER NOT NULL, value TEXT NOT NULL, turn INTEGER NOT NULL, PRIMARY KEY (lane, value)
) WITHOUT ROWID;

-- limits: units held of every key
CREATE TABLE keys (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, per REAL NOT NULL DEFAULT 0,  -- 0: no rate
    held REAL NOT NULL DEFAULT 0,
    level REAL, streak INTEGER NOT NULL DEFAULT 0, usual REAL, cut REAL,  -- of an Adaptive size
    UNIQUE (name, per)
);
-- units that outlive their run: those of rates until their time, those of abandoned threads
CREATE TABLE units (
    id INTEGER PRIMARY KEY, key INTEGER NOT NULL, run INTEGER NOT NULL, cost REAL NOT NULL,
    until REAL, attempt INTEGER, worker INTEGER
);
CREATE INDEX units_until ON units (until) WHERE until IS NOT NULL;
CREATE INDEX units_key ON units (key);

-- runs that came with a transaction of the user's own, to be taken in by the next turn
CREATE TABLE arrivals (run INTEGER PRIMARY KEY);

-- known work: which run another submit of the same would meet
CREATE TABLE uniques (name TEXT PRIMARY KEY, run INTEGER NOT NULL, until REAL) WITHOUT ROWID;

CREATE TABLE workers (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, host TEXT NOT NULL, pid INTEGER NOT NULL,
    started REAL NOT NULL, concurrency INTEGER NOT NULL, tasks TEXT, state TEXT NOT NULL
);

-- What a service adds: schedules with their ledger, events, people, and what must happen once.
-- Times are seconds since 1970 in UTC.

CREATE TABLE schedules (
    id       INTEGER PRIMARY KEY,
    name     TEXT NOT NULL UNIQUE,
    task     TEXT NOT NULL,
    spec     TEXT NOT NULL,     -- what a person wrote: '0 2 * * *', 'every 90s', ...
    zone     TEXT NOT NULL,
    policy   BLOB NOT NULL,     -- JSON {overlap, catch_up, window, jitter, args, kwargs}
    source   TEXT NOT NULL,     -- 'app', 'file' or 'api'
    owner    TEXT NOT NULL,     -- whose declaration it is, so that what is gone can be removed
    anchor   REAL NOT NULL,     -- from where an interval counts
    paused   REAL,              -- since when
    next     REAL,              -- the next instant that is not in the ledger yet
    due      REAL,              -- when that is to be acted on: next and its jitter
    gone     REAL               -- since when there is no such schedule; its ledger stays
);
CREATE INDEX schedules_due ON schedules (owner, due) WHERE due IS NOT NULL;

-- the ledger: one row per instant makes it impossible to act on one twice
CREATE TABLE instants (
    id       INTEGER PRIMARY KEY,
    schedule INTEGER NOT NULL,
    at       REAL NOT NULL,
    until    REAL,              -- of a row that stands for several, the last one
    count    INTEGER NOT NULL DEFAULT 1,
    outcome  TEXT NOT NULL,     -- ran, skipped, missed, merged, paused
    reason   TEXT,
    run      INTEGER,
    decided  REAL NOT NULL,
    UNIQUE (schedule, at)
);
CREATE INDEX instants_at ON instants (at);

-- what happened, in order; written by triggers once a service has asked for it
CREATE TABLE events (
    seq   INTEGER PRIMARY KEY AUTOINCREMENT,
    kind  TEXT NOT NULL,        -- run, instant, schedule
    id    INTEGER NOT NULL,
    state INTEGER,              -- of a run
    at    REAL NOT NULL
);

-- how far a reader of the events has come, and what it keeps
CREATE TABLE readers (
    name TEXT PRIMARY KEY, seq INTEGER NOT NULL, kept BLOB
) WITHOUT ROWID;

CREATE TABLE users (
    name TEXT PRIMARY KEY, role TEXT NOT NULL, password TEXT, created REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE tokens (
    id      INTEGER PRIMARY KEY,
    name    TEXT NOT NULL,
    user    TEXT NOT NULL,
    role    TEXT NOT NULL,
    digest  TEXT NOT NULL UNIQUE,
    created REAL NOT NULL,
    expires REAL,
    used    REAL
);
CREATE TABLE sessions (
    digest TEXT PRIMARY KEY, user TEXT NOT NULL, role TEXT NOT NULL, created REAL NOT NULL,
    expires REAL NOT NULL, csrf TEXT NOT NULL
) WITHOUT ROWID;

-- submits under an Idempotency-Key
CREATE TABLE answered (
    key TEXT PRIMARY KEY, digest TEXT NOT NULL, run INTEGER NOT NULL, at REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX answered_at ON answered (at);

-- children that wait for arguments are in no line yet
CREATE INDEX runs_nowhere ON runs (task) WHERE state < 2 AND lane IS NULL;

-- For lists: what people called their runs, and why runs ended badly.
CREATE INDEX runs_label ON runs (label) WHERE label IS NOT NULL;
CREATE INDEX runs_reason ON runs (reason, id) WHERE state > 4;

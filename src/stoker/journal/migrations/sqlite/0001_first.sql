-- Stoker's journal. Times are seconds since the Unix epoch (REAL); JSON is text.
-- `run_events` is the truth; `runs` and `step_attempts` are projected from it, the attempts a
-- moment later: `runs.last_sequence` says how far. Foreign keys are declared for readers and for
-- `stoker doctor`; they are not enforced on the hot path, where the lease's fence proves that
-- the run exists.

CREATE TABLE plans (
    digest       TEXT PRIMARY KEY,          -- of all that follows: a plan run often is kept once
    plan_id      TEXT NOT NULL,
    version      TEXT NOT NULL,
    description  TEXT NOT NULL,
    plan_json    TEXT NOT NULL,             -- as it runs: variables substituted, secrets not
    created_at   REAL NOT NULL
);

CREATE TABLE runs (
    run_id           TEXT PRIMARY KEY,
    plan_digest      TEXT NOT NULL REFERENCES plans (digest),
    plan_id          TEXT NOT NULL,
    plan_version     TEXT NOT NULL,
    status           TEXT NOT NULL DEFAULT 'pending',
    reason           TEXT,
    inputs           TEXT NOT NULL,         -- JSON object, without the secret ones
    options          TEXT NOT NULL,         -- JSON object
    parent_run_id    TEXT,
    parent_step_id   TEXT,
    created_at       REAL NOT NULL,
    started_at       REAL,
    finished_at      REAL,
    last_sequence    INTEGER NOT NULL DEFAULT 0,
    lease_epoch      INTEGER NOT NULL DEFAULT 0,  -- grows with every holder: the fence
    engine           TEXT,                  -- who holds the lease: JSON of EngineIdentity
    lease_expires_at REAL
) WITHOUT ROWID;
CREATE INDEX runs_by_time ON runs (created_at);
CREATE INDEX runs_by_plan ON runs (plan_id, created_at);
CREATE INDEX runs_by_digest ON runs (plan_digest);

CREATE TABLE run_events (
    run_id    TEXT NOT NULL REFERENCES runs (run_id),
    sequence  INTEGER NOT NULL,             -- from 1, without gaps
    step_id   TEXT,
    attempt   INTEGER,
    type      TEXT NOT NULL,
    time      REAL NOT NULL,
    data      TEXT NOT NULL,                -- JSON object
    PRIMARY KEY (run_id, sequence)
) WITHOUT ROWID;

CREATE TABLE step_attempts (
    run_id            TEXT NOT NULL REFERENCES runs (run_id),
    step_id           TEXT NOT NULL,
    attempt           INTEGER NOT NULL,     -- from 1
    status            TEXT NOT NULL,
    kind              TEXT NOT NULL,
    tool              TEXT,                 -- circuit-breaker key
    pid               INTEGER,
    timeout_sec       REAL,
    retries_attempted INTEGER NOT NULL,
    on_failure        TEXT NOT NULL,
    provides          TEXT NOT NULL,        -- JSON array of names
    consumes          TEXT NOT NULL,        -- JSON array of names
    exit_code         INTEGER,
    error             TEXT,
    started_at        REAL NOT NULL,
    finished_at       REAL,
    stdout_path       TEXT,
    stderr_path       TEXT,
    PRIMARY KEY (run_id, step_id, attempt)
);

CREATE TABLE run_commands (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    run_id      TEXT NOT NULL REFERENCES runs (run_id),
    kind        TEXT NOT NULL,
    payload     TEXT NOT NULL,              -- JSON object
    sender      TEXT NOT NULL,
    created_at  REAL NOT NULL,
    applied_at  REAL
);
CREATE INDEX run_commands_open ON run_commands (run_id) WHERE applied_at IS NULL;

CREATE TABLE circuits (
    tool       TEXT PRIMARY KEY,
    state      TEXT NOT NULL,
    failures   INTEGER NOT NULL,            -- consecutive
    opened_at  REAL,
    probe      TEXT,                        -- run/step of the probe under way
    version    INTEGER NOT NULL             -- grows with every change
);

CREATE TABLE lock_claims (
    name     TEXT NOT NULL,
    run_id   TEXT NOT NULL REFERENCES runs (run_id),
    step_id  TEXT NOT NULL,
    ticket   INTEGER NOT NULL,              -- lowest first; one for all names of a claim
    PRIMARY KEY (name, run_id, step_id)
);
CREATE INDEX lock_claims_by_run ON lock_claims (run_id, step_id);

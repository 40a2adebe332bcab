-- Stoker's journal. Times are seconds since the Unix epoch; JSON keeps its text (`json`,
-- not `jsonb`, which refuses \u0000). `run_events` is the truth; `runs` and `step_attempts`
-- are projected from it in the same transaction. The two big tables have no foreign key:
-- checked row by row it would cost more than the insert, and the lease's fence proves that
-- the run exists; `stoker doctor` checks them.

CREATE TABLE plans (
    digest       text PRIMARY KEY,          -- of all that follows: a plan run often is kept once
    plan_id      text NOT NULL,
    version      text NOT NULL,
    description  text NOT NULL,
    plan_json    json NOT NULL,             -- as it runs: variables substituted, secrets not
    created_at   double precision NOT NULL
);

CREATE TABLE runs (
    run_id           text PRIMARY KEY,
    plan_digest      text NOT NULL REFERENCES plans (digest),
    plan_id          text NOT NULL,
    plan_version     text NOT NULL,
    status           text NOT NULL DEFAULT 'pending',
    reason           text,
    inputs           json NOT NULL,         -- without the secret ones
    options          json NOT NULL,
    parent_run_id    text,
    parent_step_id   text,
    created_at       double precision NOT NULL,
    started_at       double precision,
    finished_at      double precision,
    last_sequence    bigint NOT NULL DEFAULT 0,
    lease_epoch      bigint NOT NULL DEFAULT 0,  -- grows with every holder: the fence
    engine           text,                  -- who holds the lease: JSON of EngineIdentity
    lease_expires_at double precision       -- by the server's clock
);
CREATE INDEX runs_by_time ON runs (created_at);
CREATE INDEX runs_by_plan ON runs (plan_id, created_at);
CREATE INDEX runs_by_digest ON runs (plan_digest);

CREATE TABLE run_events (
    run_id    text NOT NULL,                -- of runs
    sequence  bigint NOT NULL,              -- from 1, without gaps
    step_id   text,
    attempt   integer,
    type      text NOT NULL,
    time      double precision NOT NULL,
    data      json NOT NULL,
    PRIMARY KEY (run_id, sequence)
);

CREATE TABLE step_attempts (
    run_id            text NOT NULL,        -- of runs
    step_id           text NOT NULL,
    attempt           integer NOT NULL,     -- from 1
    status            text NOT NULL,
    kind              text NOT NULL,
    tool              text,                 -- circuit-breaker key
    pid               bigint,
    timeout_sec       double precision,
    retries_attempted integer NOT NULL,
    on_failure        text NOT NULL,
    provides          json NOT NULL,        -- array of names
    consumes          json NOT NULL,        -- array of names
    exit_code         bigint,
    error             text,
    started_at        double precision NOT NULL,
    finished_at       double precision,
    stdout_path       text,
    stderr_path       text,
    PRIMARY KEY (run_id, step_id, attempt)
);

CREATE TABLE run_commands (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id      text NOT NULL REFERENCES runs (run_id),
    kind        text NOT NULL,
    payload     json NOT NULL,
    sender      text NOT NULL,
    created_at  double precision NOT NULL,
    applied_at  double precision
);
CREATE INDEX run_commands_open ON run_commands (run_id) WHERE applied_at IS NULL;

CREATE TABLE circuits (
    tool       text PRIMARY KEY,
    state      text NOT NULL,
    failures   bigint NOT NULL,             -- consecutive
    opened_at  double precision,
    probe      text,                        -- run/step of the probe under way
    version    bigint NOT NULL              -- grows with every change
);

CREATE TABLE lock_claims (
    name     text NOT NULL,
    run_id   text NOT NULL REFERENCES runs (run_id),
    step_id  text NOT NULL,
    ticket   bigint NOT NULL,               -- lowest first; one for all names of a claim
    PRIMARY KEY (name, run_id, step_id)
);
CREATE INDEX lock_claims_by_run ON lock_claims (run_id, step_id);

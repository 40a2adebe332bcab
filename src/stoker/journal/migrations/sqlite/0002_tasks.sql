-- Projects, tasks and attempts; see stoker.tasks.model. Columns are its fields.

CREATE TABLE projects (
    project_id      TEXT PRIMARY KEY,
    name            TEXT NOT NULL,
    repository      TEXT NOT NULL UNIQUE,
    setup_script    TEXT,
    cleanup_script  TEXT,
    copy_files      TEXT NOT NULL,          -- JSON array of patterns
    created_at      REAL NOT NULL,
    updated_at      REAL NOT NULL
) WITHOUT ROWID;

CREATE TABLE tasks (
    task_id            TEXT PRIMARY KEY,
    project_id         TEXT NOT NULL REFERENCES projects (project_id),
    title              TEXT NOT NULL,
    description        TEXT,
    status             TEXT NOT NULL,
    parent_attempt_id  TEXT,
    created_at         REAL NOT NULL,
    updated_at         REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX tasks_by_project ON tasks (project_id, created_at);

CREATE TABLE attempts (
    attempt_id     TEXT PRIMARY KEY,
    task_id        TEXT NOT NULL REFERENCES tasks (task_id),
    run_id         TEXT NOT NULL UNIQUE,
    executor       TEXT NOT NULL,
    variant        TEXT,
    branch         TEXT NOT NULL,
    target_branch  TEXT NOT NULL,
    base_commit    TEXT NOT NULL,
    worktree       TEXT NOT NULL,
    state          TEXT NOT NULL,
    request_key    TEXT UNIQUE,
    created_at     REAL NOT NULL,
    updated_at     REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX attempts_by_task ON attempts (task_id, created_at);

CREATE TABLE follow_ups (
    attempt_id  TEXT PRIMARY KEY REFERENCES attempts (attempt_id),
    prompt      TEXT NOT NULL,
    variant     TEXT,
    queued      INTEGER NOT NULL,
    version     INTEGER NOT NULL,
    updated_at  REAL NOT NULL
) WITHOUT ROWID;

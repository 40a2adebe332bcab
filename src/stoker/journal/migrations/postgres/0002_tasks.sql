-- Projects, tasks and attempts; see stoker.tasks.model. Columns are its fields.

CREATE TABLE projects (
    project_id      text PRIMARY KEY,
    name            text NOT NULL,
    repository      text NOT NULL UNIQUE,
    setup_script    text,
    cleanup_script  text,
    copy_files      text NOT NULL,          -- JSON array of patterns
    created_at      double precision NOT NULL,
    updated_at      double precision NOT NULL
);

CREATE TABLE tasks (
    task_id            text PRIMARY KEY,
    project_id         text NOT NULL REFERENCES projects (project_id),
    title              text NOT NULL,
    description        text,
    status             text NOT NULL,
    parent_attempt_id  text,
    created_at         double precision NOT NULL,
    updated_at         double precision NOT NULL
);
CREATE INDEX tasks_by_project ON tasks (project_id, created_at);

CREATE TABLE attempts (
    attempt_id     text PRIMARY KEY,
    task_id        text NOT NULL REFERENCES tasks (task_id),
    run_id         text NOT NULL UNIQUE,
    executor       text NOT NULL,
    variant        text,
    branch         text NOT NULL,
    target_branch  text NOT NULL,
    base_commit    text NOT NULL,
    worktree       text NOT NULL,
    state          text NOT NULL,
    request_key    text UNIQUE,
    created_at     double precision NOT NULL,
    updated_at     double precision NOT NULL
);
CREATE INDEX attempts_by_task ON attempts (task_id, created_at);

CREATE TABLE follow_ups (
    attempt_id  text PRIMARY KEY REFERENCES attempts (attempt_id),
    prompt      text NOT NULL,
    variant     text,
    queued      boolean NOT NULL,
    version     integer NOT NULL,
    updated_at  double precision NOT NULL
);

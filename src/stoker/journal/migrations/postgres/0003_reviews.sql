-- What more is kept of projects, tasks and attempts; see stoker.tasks.model.

ALTER TABLE projects ADD COLUMN dev_script text;
ALTER TABLE projects ADD COLUMN directory text NOT NULL DEFAULT '';
ALTER TABLE projects ADD COLUMN wip_limit integer;
ALTER TABLE projects ADD COLUMN auto_pull_request boolean NOT NULL DEFAULT false;
ALTER TABLE projects ADD COLUMN reviewers text NOT NULL DEFAULT '[]';   -- JSON array of names
ALTER TABLE projects ADD COLUMN open_issue boolean NOT NULL DEFAULT false;

ALTER TABLE tasks ADD COLUMN labels text NOT NULL DEFAULT '[]';         -- JSON array
ALTER TABLE tasks ADD COLUMN depends_on text NOT NULL DEFAULT '[]';     -- JSON array of task ids
ALTER TABLE tasks ADD COLUMN images text NOT NULL DEFAULT '[]';         -- JSON array of image ids
ALTER TABLE tasks ADD COLUMN agent text;
ALTER TABLE tasks ADD COLUMN base_branch text;
ALTER TABLE tasks ADD COLUMN issue_url text;

ALTER TABLE attempts ADD COLUMN with_task boolean NOT NULL DEFAULT false;

CREATE TABLE drafts (
    draft_id    text PRIMARY KEY,           -- attempt_id/kind
    attempt_id  text NOT NULL REFERENCES attempts (attempt_id),
    kind        text NOT NULL,
    prompt      text NOT NULL,
    variant     text,
    images      text NOT NULL,              -- JSON array of image ids
    retry_turn  integer,
    queued      boolean NOT NULL,
    version     integer NOT NULL,
    updated_at  double precision NOT NULL
);
INSERT INTO drafts
    SELECT attempt_id || '/follow_up', attempt_id, 'follow_up', prompt, variant, '[]', NULL, queued,
           version, updated_at
    FROM follow_ups;
DROP TABLE follow_ups;

CREATE TABLE merges (
    merge_id       text PRIMARY KEY,
    attempt_id     text NOT NULL REFERENCES attempts (attempt_id),
    target_branch  text NOT NULL,
    merge_commit   text NOT NULL,
    created_at     double precision NOT NULL
);
CREATE INDEX merges_by_attempt ON merges (attempt_id, created_at);

CREATE TABLE pull_requests (
    pull_request_id  text PRIMARY KEY,
    attempt_id       text NOT NULL REFERENCES attempts (attempt_id),
    number           integer NOT NULL,
    url              text NOT NULL,
    title            text NOT NULL,
    status           text NOT NULL,
    target_branch    text NOT NULL,
    merged_at        double precision,
    merge_commit     text,
    seen             text NOT NULL,         -- how far its review comments were taken up
    created_at       double precision NOT NULL,
    updated_at       double precision NOT NULL
);
CREATE INDEX pull_requests_by_attempt ON pull_requests (attempt_id, created_at);

CREATE TABLE images (
    image_id       text PRIMARY KEY,
    original_name  text NOT NULL,
    mime_type      text NOT NULL,
    size_bytes     integer NOT NULL,
    hash           text NOT NULL,           -- SHA-256 of the file, in hexadecimal
    created_at     double precision NOT NULL,
    updated_at     double precision NOT NULL
);

CREATE TABLE tags (
    tag_id      text PRIMARY KEY,
    tag_name    text NOT NULL UNIQUE,
    content     text NOT NULL,
    created_at  double precision NOT NULL,
    updated_at  double precision NOT NULL
);

CREATE TABLE templates (
    template_id    text PRIMARY KEY,
    project_id     text REFERENCES projects (project_id),
    template_name  text NOT NULL,
    title          text NOT NULL,
    description    text,
    created_at     double precision NOT NULL,
    updated_at     double precision NOT NULL
);

CREATE TABLE documents (                    -- settings of a door, as JSON
    name     text PRIMARY KEY,
    content  text NOT NULL
);

CREATE TABLE changes (                      -- the last change of every record; see tasks.feed
    sequence  bigserial PRIMARY KEY,
    subject   text NOT NULL,
    key       text NOT NULL,
    UNIQUE (subject, key)
);
INSERT INTO changes (subject, key) SELECT 'projects', project_id FROM projects ORDER BY created_at;
INSERT INTO changes (subject, key) SELECT 'tasks', task_id FROM tasks ORDER BY created_at;
INSERT INTO changes (subject, key) SELECT 'attempts', attempt_id FROM attempts ORDER BY created_at;
INSERT INTO changes (subject, key) SELECT 'drafts', draft_id FROM drafts ORDER BY updated_at;

CREATE FUNCTION stoker_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- One at a time, so that who has read up to a sequence has missed no smaller one. At the end of
    -- the transaction (see the triggers), when it waits for no row any more: no deadlock.
    PERFORM pg_advisory_xact_lock(hashtext('stoker changes'));
    INSERT INTO changes (subject, key)
        VALUES (TG_TABLE_NAME, to_jsonb(COALESCE(NEW, OLD)) ->> TG_ARGV[0])
        ON CONFLICT (subject, key) DO UPDATE SET sequence = nextval('changes_sequence_seq');
    PERFORM pg_notify('stoker_changes', '');
    RETURN NULL;
END
$$;

CREATE CONSTRAINT TRIGGER projects_changed AFTER INSERT OR UPDATE OR DELETE ON projects
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION stoker_changed('project_id');

CREATE CONSTRAINT TRIGGER tasks_changed AFTER INSERT OR UPDATE OR DELETE ON tasks
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION stoker_changed('task_id');

CREATE CONSTRAINT TRIGGER attempts_changed AFTER INSERT OR UPDATE OR DELETE ON attempts
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION stoker_changed('attempt_id');

CREATE CONSTRAINT TRIGGER drafts_changed AFTER INSERT OR UPDATE OR DELETE ON drafts
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION stoker_changed('draft_id');

CREATE CONSTRAINT TRIGGER merges_changed AFTER INSERT OR UPDATE OR DELETE ON merges
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION stoker_changed('merge_id');

CREATE CONSTRAINT TRIGGER pull_requests_changed AFTER INSERT OR UPDATE OR DELETE ON pull_requests
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION stoker_changed('pull_request_id');

-- What more is kept of projects, tasks and attempts; see stoker.tasks.model.

ALTER TABLE projects ADD COLUMN dev_script TEXT;
ALTER TABLE projects ADD COLUMN directory TEXT NOT NULL DEFAULT '';
ALTER TABLE projects ADD COLUMN wip_limit INTEGER;
ALTER TABLE projects ADD COLUMN auto_pull_request INTEGER NOT NULL DEFAULT 0;
ALTER TABLE projects ADD COLUMN reviewers TEXT NOT NULL DEFAULT '[]';   -- JSON array of names
ALTER TABLE projects ADD COLUMN open_issue INTEGER NOT NULL DEFAULT 0;

ALTER TABLE tasks ADD COLUMN labels TEXT NOT NULL DEFAULT '[]';         -- JSON array
ALTER TABLE tasks ADD COLUMN depends_on TEXT NOT NULL DEFAULT '[]';     -- JSON array of task ids
ALTER TABLE tasks ADD COLUMN images TEXT NOT NULL DEFAULT '[]';         -- JSON array of image ids
ALTER TABLE tasks ADD COLUMN agent TEXT;
ALTER TABLE tasks ADD COLUMN base_branch TEXT;
ALTER TABLE tasks ADD COLUMN issue_url TEXT;

ALTER TABLE attempts ADD COLUMN with_task INTEGER NOT NULL DEFAULT 0;

CREATE TABLE drafts (
    draft_id    TEXT PRIMARY KEY,           -- attempt_id/kind
    attempt_id  TEXT NOT NULL REFERENCES attempts (attempt_id),
    kind        TEXT NOT NULL,
    prompt      TEXT NOT NULL,
    variant     TEXT,
    images      TEXT NOT NULL,              -- JSON array of image ids
    retry_turn  INTEGER,
    queued      INTEGER NOT NULL,
    version     INTEGER NOT NULL,
    updated_at  REAL NOT NULL
) WITHOUT ROWID;
INSERT INTO drafts
    SELECT attempt_id || '/follow_up', attempt_id, 'follow_up', prompt, variant, '[]', NULL, queued,
           version, updated_at
    FROM follow_ups;
DROP TABLE follow_ups;

CREATE TABLE merges (
    merge_id       TEXT PRIMARY KEY,
    attempt_id     TEXT NOT NULL REFERENCES attempts (attempt_id),
    target_branch  TEXT NOT NULL,
    merge_commit   TEXT NOT NULL,
    created_at     REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX merges_by_attempt ON merges (attempt_id, created_at);

CREATE TABLE pull_requests (
    pull_request_id  TEXT PRIMARY KEY,
    attempt_id       TEXT NOT NULL REFERENCES attempts (attempt_id),
    number           INTEGER NOT NULL,
    url              TEXT NOT NULL,
    title            TEXT NOT NULL,
    status           TEXT NOT NULL,
    target_branch    TEXT NOT NULL,
    merged_at        REAL,
    merge_commit     TEXT,
    seen             TEXT NOT NULL,         -- how far its review comments were taken up
    created_at       REAL NOT NULL,
    updated_at       REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX pull_requests_by_attempt ON pull_requests (attempt_id, created_at);

CREATE TABLE images (
    image_id       TEXT PRIMARY KEY,
    original_name  TEXT NOT NULL,
    mime_type      TEXT NOT NULL,
    size_bytes     INTEGER NOT NULL,
    hash           TEXT NOT NULL,           -- SHA-256 of the file, in hexadecimal
    created_at     REAL NOT NULL,
    updated_at     REAL NOT NULL
) WITHOUT ROWID;

CREATE TABLE tags (
    tag_id      TEXT PRIMARY KEY,
    tag_name    TEXT NOT NULL UNIQUE,
    content     TEXT NOT NULL,
    created_at  REAL NOT NULL,
    updated_at  REAL NOT NULL
) WITHOUT ROWID;

CREATE TABLE templates (
    template_id    TEXT PRIMARY KEY,
    project_id     TEXT REFERENCES projects (project_id),
    template_name  TEXT NOT NULL,
    title          TEXT NOT NULL,
    description    TEXT,
    created_at     REAL NOT NULL,
    updated_at     REAL NOT NULL
) WITHOUT ROWID;

CREATE TABLE documents (                    -- settings of a door, as JSON
    name     TEXT PRIMARY KEY,
    content  TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE changes (                      -- the last change of every record; see tasks.feed
    sequence  INTEGER PRIMARY KEY AUTOINCREMENT,
    subject   TEXT NOT NULL,
    key       TEXT NOT NULL,
    UNIQUE (subject, key)
);
INSERT INTO changes (subject, key) SELECT 'projects', project_id FROM projects ORDER BY created_at;
INSERT INTO changes (subject, key) SELECT 'tasks', task_id FROM tasks ORDER BY created_at;
INSERT INTO changes (subject, key) SELECT 'attempts', attempt_id FROM attempts ORDER BY created_at;
INSERT INTO changes (subject, key) SELECT 'drafts', draft_id FROM drafts ORDER BY updated_at;

CREATE TRIGGER projects_insert AFTER INSERT ON projects BEGIN
    DELETE FROM changes WHERE subject = 'projects' AND key = NEW.project_id;
    INSERT INTO changes (subject, key) VALUES ('projects', NEW.project_id);
END;

CREATE TRIGGER projects_update AFTER UPDATE ON projects BEGIN
    DELETE FROM changes WHERE subject = 'projects' AND key = NEW.project_id;
    INSERT INTO changes (subject, key) VALUES ('projects', NEW.project_id);
END;

CREATE TRIGGER projects_delete AFTER DELETE ON projects BEGIN
    DELETE FROM changes WHERE subject = 'projects' AND key = OLD.project_id;
    INSERT INTO changes (subject, key) VALUES ('projects', OLD.project_id);
END;

CREATE TRIGGER tasks_insert AFTER INSERT ON tasks BEGIN
    DELETE FROM changes WHERE subject = 'tasks' AND key = NEW.task_id;
    INSERT INTO changes (subject, key) VALUES ('tasks', NEW.task_id);
END;

CREATE TRIGGER tasks_update AFTER UPDATE ON tasks BEGIN
    DELETE FROM changes WHERE subject = 'tasks' AND key = NEW.task_id;
    INSERT INTO changes (subject, key) VALUES ('tasks', NEW.task_id);
END;

CREATE TRIGGER tasks_delete AFTER DELETE ON tasks BEGIN
    DELETE FROM changes WHERE subject = 'tasks' AND key = OLD.task_id;
    INSERT INTO changes (subject, key) VALUES ('tasks', OLD.task_id);
END;

CREATE TRIGGER attempts_insert AFTER INSERT ON attempts BEGIN
    DELETE FROM changes WHERE subject = 'attempts' AND key = NEW.attempt_id;
    INSERT INTO changes (subject, key) VALUES ('attempts', NEW.attempt_id);
END;

CREATE TRIGGER attempts_update AFTER UPDATE ON attempts BEGIN
    DELETE FROM changes WHERE subject = 'attempts' AND key = NEW.attempt_id;
    INSERT INTO changes (subject, key) VALUES ('attempts', NEW.attempt_id);
END;

CREATE TRIGGER attempts_delete AFTER DELETE ON attempts BEGIN
    DELETE FROM changes WHERE subject = 'attempts' AND key = OLD.attempt_id;
    INSERT INTO changes (subject, key) VALUES ('attempts', OLD.attempt_id);
END;

CREATE TRIGGER drafts_insert AFTER INSERT ON drafts BEGIN
    DELETE FROM changes WHERE subject = 'drafts' AND key = NEW.draft_id;
    INSERT INTO changes (subject, key) VALUES ('drafts', NEW.draft_id);
END;

CREATE TRIGGER drafts_update AFTER UPDATE ON drafts BEGIN
    DELETE FROM changes WHERE subject = 'drafts' AND key = NEW.draft_id;
    INSERT INTO changes (subject, key) VALUES ('drafts', NEW.draft_id);
END;

CREATE TRIGGER drafts_delete AFTER DELETE ON drafts BEGIN
    DELETE FROM changes WHERE subject = 'drafts' AND key = OLD.draft_id;
    INSERT INTO changes (subject, key) VALUES ('drafts', OLD.draft_id);
END;

CREATE TRIGGER merges_insert AFTER INSERT ON merges BEGIN
    DELETE FROM changes WHERE subject = 'merges' AND key = NEW.merge_id;
    INSERT INTO changes (subject, key) VALUES ('merges', NEW.merge_id);
END;

CREATE TRIGGER merges_update AFTER UPDATE ON merges BEGIN
    DELETE FROM changes WHERE subject = 'merges' AND key = NEW.merge_id;
    INSERT INTO changes (subject, key) VALUES ('merges', NEW.merge_id);
END;

CREATE TRIGGER merges_delete AFTER DELETE ON merges BEGIN
    DELETE FROM changes WHERE subject = 'merges' AND key = OLD.merge_id;
    INSERT INTO changes (subject, key) VALUES ('merges', OLD.merge_id);
END;

CREATE TRIGGER pull_requests_insert AFTER INSERT ON pull_requests BEGIN
    DELETE FROM changes WHERE subject = 'pull_requests' AND key = NEW.pull_request_id;
    INSERT INTO changes (subject, key) VALUES ('pull_requests', NEW.pull_request_id);
END;

CREATE TRIGGER pull_requests_update AFTER UPDATE ON pull_requests BEGIN
    DELETE FROM changes WHERE subject = 'pull_requests' AND key = NEW.pull_request_id;
    INSERT INTO changes (subject, key) VALUES ('pull_requests', NEW.pull_request_id);
END;

CREATE TRIGGER pull_requests_delete AFTER DELETE ON pull_requests BEGIN
    DELETE FROM changes WHERE subject = 'pull_requests' AND key = OLD.pull_request_id;
    INSERT INTO changes (subject, key) VALUES ('pull_requests', OLD.pull_request_id);
END;

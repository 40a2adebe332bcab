"""What the contract has that is read or kept here: `docs/reference/forge-api.md` says which fields
are whose. What is only told, `views` and its neighbours put together."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field


class ProfileId(Struct, frozen=True, kw_only=True):
    """An agent, and one way of using it."""

    executor: str
    variant: str | None = None


class ForgeAgent(Struct, frozen=True, kw_only=True):
    """A standing agent of a project."""

    id: str
    project_id: str
    agent_type: str
    task_id: str
    created_at: str
    updated_at: str


class Notifications(Struct, frozen=True, kw_only=True):
    """Part of `Config`."""

    sound_enabled: bool = True
    push_enabled: bool = True
    sound_file: str = "ABSTRACT_SOUND4"


class Editor(Struct, frozen=True, kw_only=True):
    """Part of `Config`."""

    editor_type: str = "VS_CODE"
    custom_command: str | None = None
    remote_ssh_host: str | None = None
    remote_ssh_user: str | None = None


class GitHub(Struct, frozen=True, kw_only=True):
    """Part of `Config`."""

    pat: str | None = None
    oauth_token: str | None = None
    username: str | None = None
    primary_email: str | None = None
    default_pr_base: str | None = "main"


class Showcases(Struct, frozen=True, kw_only=True):
    """Part of `Config`."""

    seen_features: list[str] = field(default_factory=list)


class Config(Struct, frozen=True, kw_only=True):
    """Version 7. What is missing when it is sent has its default."""

    config_version: Literal["v7"] = "v7"
    theme: str = "SYSTEM"
    executor_profile: ProfileId = ProfileId(executor="CLAUDE_CODE")
    disclaimer_acknowledged: bool = False
    onboarding_acknowledged: bool = False
    github_login_acknowledged: bool = False
    telemetry_acknowledged: bool = False
    notifications: Notifications = Notifications()
    editor: Editor = Editor()
    github: GitHub = GitHub()
    analytics_enabled: bool | None = None
    workspace_dir: str | None = None
    last_app_version: str | None = None
    show_release_notes: bool = False
    language: str = "BROWSER"
    git_branch_prefix: str = "forge"
    showcases: Showcases = field(default_factory=Showcases)

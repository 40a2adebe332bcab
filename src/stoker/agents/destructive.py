"""Commands that destroy what no checkpoint brings back: the patterns, and what they are held
against.

A pattern is words. The first is the program's name, the others must all be found among its
arguments: `-[rR]` as one of a cluster of short options, `--force` also abbreviated or with a
value, any other word in the order of the pattern, as itself or as the name at the end of a path.
`a|b` is either; `*`, `?` and `[...]` are as in a shell; `/.../` is a regular expression that is
looked for in the whole line, whatever the case. `>` is what is written to by the shell.

A line is taken apart as a shell would: into its commands, through quotes, substitutions and what
runs other commands (`sudo`, `env`, `sh -c`, `xargs`, ...). What cannot be seen, such as a
program that is a variable or a script on a shell's stdin, counts as destructive. This is no wall,
which is what a sandbox is for: a script that the agent has written is not looked into.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Final

PATTERNS: Final = {
    "filesystem": r"""
        rm -[rRf]; rm --recursive; rm --force; rm *[*?]*; rmdir *[*?]*; unlink *[*?]*
        shred; srm; wipe; rimraf; find -delete; truncate -s; truncate --size; dd of=*
        mkfs*; mke2fs; wipefs; fdisk|sfdisk|gdisk|parted|blkdiscard
        chmod|chown|chgrp -R; chmod|chown|chgrp --recursive; rsync --delete*|--del
        mv /dev/null; > /dev/sd*|/dev/nvme*|/dev/[hvx]*d*|/dev/mmc*; > /etc/*
        python*|perl|ruby|node|bun|deno|php /\b(rmtree|unlink|rmdir|removedirs|rmSync|rm_r|rm_rf)\b/
        python*|perl|ruby|node|bun|deno|php /\bos\.remove\b/
    """,
    "database": r"""
        dropdb; dropuser; mysqladmin drop; redis-cli FLUSHALL|FLUSHDB|flushall|flushdb
        psql|mysql|mariadb|sqlite3|sqlcmd|duckdb|cockroach|clickhouse* /\b(drop|truncate|alter)\s/
        psql|mysql|mariadb|sqlite3|sqlcmd|duckdb|cockroach|clickhouse* /\bdelete\s+from\b/
        mongo|mongosh /\b(drop\w*|deleteMany|remove)\s*\(/
        rails|rake db:drop*|db:reset*|db:purge*; prisma migrate reset; prisma --force-reset
        manage.py|django-admin flush|sqlflush|reset_db; python* manage.py flush|reset_db
        alembic downgrade; sequelize db:drop*
    """,
    "git": """
        git push -[fd]; git push --force*|--delete|--mirror|--prune; git push +*|:*
        git reset --hard; git clean -[fxX]; git clean --force; git restore *
        git checkout -f; git checkout --force; git checkout .; git checkout --
        git switch --discard-changes
        git branch -[dD]; git branch --delete; git tag -d; git tag --delete
        git stash drop|clear; git reflog expire|delete; git gc --prune; git prune
        git filter-branch|filter-repo; git update-ref -d; git worktree remove|prune
        git remote remove|rm; gh|glab repo|release|secret delete
    """,
    "kubernetes": """
        kubectl|oc delete|drain|cordon; kubectl|oc replace --force; kubectl|oc --replicas=0
        helm uninstall|delete|rollback; k3d|kind|minikube delete
    """,
    "docker": """
        docker|podman|nerdctl rm|rmi|kill|prune; docker|podman|nerdctl down -v|--volumes
        docker-compose rm; docker-compose down -v|--volumes
    """,
    "cloud": """
        aws delete*|terminate*|remove*|purge*|deregister*|rm|rb; aws s3 sync --delete
        gcloud|gsutil|az|doctl|linode-cli|hcloud|oci delete|purge|rm|rb; eksctl delete
        terraform|tofu|terragrunt destroy; terraform|tofu|terragrunt apply -destroy|-auto-approve
        terraform|tofu state rm; pulumi|cdk|sst|serverless|sls destroy|remove
        heroku *:destroy|*:reset|*:delete
        fly|flyctl|vercel|netlify|wrangler|railway delete|destroy|remove|rm
    """,
    "system": """
        shutdown; reboot; halt; poweroff; init|telinit 0|6; service stop
        systemctl stop|disable|mask|reboot|poweroff|halt|kill|isolate
        kill -1; killall; killall5; pkill; crontab -r; passwd; userdel; groupdel; deluser
        iptables|ip6tables -[FX]; nft flush|delete; ufw disable|reset
        swapoff; umount; modprobe -r; rmmod
        apt|apt-get|aptitude|dnf|yum|zypper|brew remove|purge|autoremove|uninstall|erase
    """,
}
"""What waits for a person, by what it destroys; `;` and ends of lines are between patterns."""

_SHELLS: Final = frozenset(("sh", "bash", "dash", "zsh", "ksh", "ash", "fish", "pwsh"))
_LINES: Final = _SHELLS | {"eval", "su", "ssh", "watch", "script", "trap", "parallel", "flock"}
"""Programs that have a shell run what is one of their arguments."""
_PREFIXES: Final = frozenset(
    (
        *("sudo", "doas", "su", "env", "nice", "ionice", "chrt", "nohup", "timeout", "setsid"),
        *("command", "builtin", "exec", "eval", "stdbuf", "unbuffer", "script", "time", "watch"),
        *("strace", "ltrace", "flock", "chroot", "unshare", "nsenter", "systemd-run", "trap"),
        *("xargs", "busybox", "toybox", "caffeinate"),
    )
)
_MANY: Final = frozenset(("xargs", "find", "fd", "parallel", "entr"))
"""Those that give what they run arguments of their own."""
_CARRIERS: Final = (
    _LINES
    | _PREFIXES
    | _MANY
    | {"docker", "podman", "nerdctl", "docker-compose", "kubectl", "oc", "direnv", "mise", "bundle"}
    | {"uv", "uvx", "pipx", "poetry", "pdm", "hatch", "npx", "pnpm", "yarn", "npm", "bunx"}
)
"""Programs that run what stands in their arguments."""
_KEYWORDS: Final = frozenset(
    ("if", "then", "elif", "else", "do", "while", "until", "!", "{", "time", "coproc", "function")
)
_ASSIGNED: Final = re.compile(r"\w+\+?=", re.ASCII)
_HEREDOC: Final = re.compile(
    r"<<-?[ \t]*(['\"]?)([\w.-]+)\1(.*?)\n(.*?)^[ \t]*\2[ \t]*$", re.S | re.M
)
_SUBSTITUTED: Final = re.compile(r"\$\(|`|[<>]\(")
_UNSEEN: Final = re.compile(r"[$*?\[`]|^\{.*,")
_FILLED_IN: Final = re.compile(r"[$`]")
_DEEPEST: Final = 8
_OPERATORS: Final = ";&|()<>`\n"


def destructive(line: str, more: Sequence[str] = ()) -> str | None:
    """Why a command line waits for a person, such as `git`; None: it need not. `more`: patterns
    beside those that are built in."""
    try:
        commands = list(_commands(line, 0))
    except ValueError:
        return "it cannot be read as a shell reads it"
    for words, certain in commands:
        if _unseen(words, certain=certain):
            return "what it runs cannot be seen"
        for kind, pattern in (*_all(), *((f"`{one}`", one) for one in more)):
            if _matches(_read(pattern), words, line):
                return kind
    return None


@lru_cache(1)
def _all() -> tuple[tuple[str, str], ...]:
    return tuple(
        (kind, one.strip())
        for kind, text in PATTERNS.items()
        for one in re.split(r"[;\n]", text)
        if one.strip()
    )


def _commands(line: str, depth: int) -> Iterator[tuple[list[str], bool]]:
    """The commands of a line and those that they may run, as words; and whether that is certain.
    Raises `ValueError` if it cannot be read."""
    if depth > _DEEPEST:
        raise ValueError("it is nested too deep")
    # What is written to a command is no command; a shell that reads it is seen to.
    for words in _split(_HEREDOC.sub(r" \3\n", line.replace("\\\n", " "))):
        for word in words:
            if found := _SUBSTITUTED.search(word):
                yield from _commands(word[found.end() :].rstrip(")`"), depth + 1)
        names = [_name(word) for word in words]
        for at, word in enumerate(words):
            carried = _CARRIERS.intersection(names[:at])
            if at and (not carried or word.startswith("-") or _ASSIGNED.match(word)):
                continue
            yield [*words[at:], *("*" for _ in carried & _MANY)], at == 0
            splits = names[at] == "env" and any(one.startswith(("-S", "--s")) for one in words)
            if names[at] in _LINES or splits:
                for inner in words[at + 1 :]:
                    if re.search(r"[\s;&|]", inner):
                        yield from _commands(inner, depth + 1)


def _split(line: str) -> Iterator[list[str]]:
    """Its commands, without what is before their programs; and what they write to."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=_OPERATORS)
    lexer.whitespace, lexer.commenters = " \t\r", ""
    lexer.whitespace_split = True
    words: list[str] = []
    into = ""
    for token in [*lexer, ";"]:
        if into:
            if ">" in into and "&" not in into:
                yield [">", token]
            into = ""
        elif not token.strip(_OPERATORS) and token:
            if token.strip("<>&|") == "" and token.strip("&|"):  # `>`, `2>&1`, `&>`, `>|`
                into = token
            elif words:
                yield words
                words = []
        elif words or not (token in _KEYWORDS or _ASSIGNED.match(token)):
            words.append(token)


def _unseen(words: Sequence[str], *, certain: bool) -> bool:
    """Whether nobody can say what a command runs."""
    name = _name(words[0])
    told = [word for word in words[1:] if word[:1] not in ("-", "+")]
    if name in _SHELLS and not {"--version", "--help"}.intersection(words):
        return not told or _FILLED_IN.match(told[0]) is not None  # what is on its stdin
    if name in _PREFIXES:  # the first may be an option's
        return any(map(_FILLED_IN.match, told[:2]))
    return certain and name not in ("[", "[[") and _UNSEEN.search(words[0]) is not None


def _name(word: str) -> str:
    return word.rpartition("/")[2]


@lru_cache(512)
def _read(pattern: str) -> tuple[tuple[str, ...], ...]:
    """Its words, each as what it may be."""
    head, slash, regex = pattern.partition(" /")
    if slash and regex.endswith("/"):
        return (*_read(head), ("/", regex[:-1]))
    return tuple(tuple(word.split("|")) for word in pattern.split())


def _matches(pattern: tuple[tuple[str, ...], ...], words: Sequence[str], line: str) -> bool:
    if not any(fnmatchcase(_name(words[0]), one) or words[0] == one for one in pattern[0]):
        return False
    plain = iter([word for word in words[1:] if not word.startswith("-")])
    for wanted in pattern[1:]:
        if wanted[0] == "/":
            found = re.search(wanted[1], line, re.IGNORECASE) is not None
        elif wanted[0].startswith("-"):
            found = any(_option(one, word) for one in wanted for word in words[1:])
        else:
            found = any(_plain(one, word) for word in plain for one in wanted)
        if not found:
            return False
    return True


def _plain(wanted: str, word: str) -> bool:
    return fnmatchcase(word, wanted) or fnmatchcase(_name(word), wanted)


def _option(wanted: str, word: str) -> bool:
    if wanted.startswith("--"):
        said = word.partition("=")[0]
        shortened = len(said) > 3 and wanted.startswith(said)
        return fnmatchcase(word, wanted) or said == wanted or shortened
    if len(wanted) == 2 or wanted[1] == "[":
        cluster = word[1:] if word[:1] == "-" and word[1:2] != "-" else ""
        return any(fnmatchcase(letter, wanted[1:]) for letter in cluster)
    return word == wanted or word.startswith(f"{wanted}=")

"""`stoker serve`: the HTTP API."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from stoker.cli import door, given
from stoker.cli.context import Context, UsageError
from stoker.cli.exit_codes import SUCCEEDED

if TYPE_CHECKING:
    from stoker.server.settings import Settings

_EPILOG = """\
Serves until Ctrl-C or SIGTERM; its runs are suspended then, and gone on with when it starts
again. On loopback everybody on this machine may use it until there is a token. A token of scope
`read` looks, `run` also starts and steers (so it can execute anything here), `admin` also
deletes.

examples:
  stoker serve
  stoker serve token create --scope run --name ci
  stoker serve --host 0.0.0.0 --tls-cert cert.pem --tls-key key.pem
  curl http://127.0.0.1:8470/v1/runs
"""


def register(parser: argparse.ArgumentParser) -> None:
    """The arguments of `stoker serve`."""
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    add("--port", type=_port, default=8470, help="(8470); 0: any that is free")
    add(
        "--root",
        action="append",
        default=[],
        metavar="DIR",
        help="where plan files and working directories of requests may be (repeatable; the "
        "current directory)",
    )
    add(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="a name it is called by, beside its address (repeatable)",
    )
    add("--tls-cert", metavar="FILE", help="certificate chain, PEM")
    add("--tls-key", metavar="FILE", help="its private key, PEM")
    add(
        "--insecure-http",
        action="store_true",
        help="plain HTTP on an address others can reach: a proxy before it does TLS",
    )
    add("--max-concurrency", type=given.at_least(1), metavar="N", help="steps of all runs at once")
    given.add_engine(parser)
    add(
        "--rate",
        type=given.at_least(0),
        default=200,
        metavar="N",
        help="requests a second and client (200); 0: any number",
    )
    add("--docs", action="store_true", help="a page to try the API: /openapi/swagger")
    add("--log-json", action="store_true", help="log as JSON lines")
    actions = parser.add_subparsers(dest="action", metavar="token ...")
    token = actions.add_parser("token", help="create, list and revoke tokens")
    what = token.add_subparsers(dest="what", metavar="ACTION", required=True)
    create = what.add_parser("create", help="make a token, and print it this once")
    create.add_argument("--scope", choices=("read", "run", "admin"), required=True)
    create.add_argument("--name", required=True, help="whose it is; kept with what is done with it")
    what.add_parser("list", help="names, scopes and ages")
    revoke = what.add_parser("revoke", help="refuse a token from now on")
    revoke.add_argument("name", metavar="NAME", help="name or id")
    parser.epilog = _EPILOG


async def run(args: argparse.Namespace, context: Context) -> int:
    """Serve, or manage tokens."""
    if args.action == "token":
        return _token(args, context)
    try:
        from stoker.server.serve import serve
    except ModuleNotFoundError as error:
        raise door.needs(error, "`stoker serve`", "server", door.OF_SERVER) from error
    from stoker.log import configure
    from stoker.server.settings import BadSettings

    configure("info", as_json=args.log_json)

    def ready(url: str) -> None:
        context.output.line(f"serving on {url}")
        context.output.flush()

    async with context.journal(create=True, durability=args.durability) as journal:
        engine = context.engine(
            journal,
            max_concurrency=args.max_concurrency,
            resources=given.amounts(args.resource),
        )
        try:
            async with engine:
                await serve(_settings(args, context), journal, engine, ready)
        except* BadSettings as errors:
            raise UsageError(str(errors.exceptions[0])) from errors
    return SUCCEEDED


def _settings(args: argparse.Namespace, context: Context) -> Settings:
    from stoker.server.settings import Settings

    roots = [(context.cwd / root).resolve() for root in args.root] or [context.cwd.resolve()]
    for root in roots:
        if not root.is_dir():
            raise UsageError(f"--root {root}: no such directory")
    return Settings(
        directory=context.directory,
        journal=context.location,
        roots=tuple(roots),
        host=args.host,
        port=args.port,
        hosts=tuple(args.allow_host),
        certificate=args.tls_cert,
        key=args.tls_key,
        insecure_http=args.insecure_http,
        docs=args.docs,
        rate=args.rate,
    )


def _token(args: argparse.Namespace, context: Context) -> int:
    from stoker.engine.view import iso
    from stoker.server.tokens import BadToken, Tokens

    context.create()
    tokens = Tokens(Path(context.directory))
    output = context.output
    try:
        if args.what == "create":
            output.line(tokens.create(args.name, args.scope))
            output.note("it is not shown again")
        elif args.what == "revoke":
            tokens.revoke(args.name)
            if not tokens.all():
                output.note("no token is left: on loopback everybody on this machine gets in")
        else:
            for token in tokens.all():
                output.line(f"{token.id}  {token.scope:<5}  {iso(token.created_at)}  {token.name}")
    except BadToken as error:
        raise UsageError(str(error)) from error
    return SUCCEEDED


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"expected a port, found {text!r}")
    return int(text)

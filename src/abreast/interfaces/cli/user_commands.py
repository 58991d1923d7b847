"""Commands about who may use a service: their options. What they do is imported when needed."""

from __future__ import annotations

from typing import Any

import click

from .options import DurationType, leave, placed, where

_NAME = click.argument("name", metavar="NAME")
_ROLES = click.Choice(["viewer", "operator", "admin"])
_PASSWORD = click.option(
    "--password-file",
    metavar="FILE",
    type=click.Path(dir_okay=False, allow_dash=True),
    help="Take the password from the first line of a file, or - for standard input; asked for "
    "on the terminal by default.",
)


@click.group("user")
def user_group() -> None:
    """Say who may use a service: its users, their passwords and roles.

    \b
    abreast user add anna                    asks for a password; the first user is an admin
    abreast user add deploy --role operator --password-file deploy.secret
    abreast user list
    """


@user_group.command("add")
@_NAME
@click.option(
    "--role",
    type=_ROLES,
    help="What they may do: look; start, cancel and retry too; or everything. By default the "
    "first user is an admin, others are viewers.",
)
@_PASSWORD
@placed("Print the user as one JSON document.")
def add_command(**options: Any) -> None:
    """Add the user NAME. The password is asked for twice."""
    from .users import add

    leave(add(where(options), **options))


@user_group.command("passwd")
@_NAME
@_PASSWORD
@placed("Print the user as one JSON document.")
def passwd_command(**options: Any) -> None:
    """Give the user NAME another password, and log them out everywhere."""
    from .users import passwd

    leave(passwd(where(options), **options))


@user_group.command("role")
@_NAME
@click.argument("role", metavar="ROLE", type=_ROLES)
@placed("Print the user as one JSON document.")
def role_command(**options: Any) -> None:
    """Make the user NAME a viewer, an operator or an admin."""
    from .users import role

    leave(role(where(options), **options))


@user_group.command("remove")
@_NAME
@placed("Print the user as one JSON document.")
def remove_command(**options: Any) -> None:
    """Remove the user NAME, with their tokens and sessions."""
    from .users import remove

    leave(remove(where(options), **options))


@user_group.command("list")
@placed("Print the list as one JSON document.")
def list_command(**options: Any) -> None:
    """List the users with their roles."""
    from .users import list_users

    leave(list_users(where(options), **options))


class Lifetime(DurationType):
    """A duration, or ``never``."""

    name = "duration or never"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return seconds, or None for never."""
        return "never" if value == "never" else super().convert(value, param, ctx)


@click.group("token")
def token_group() -> None:
    """Make and revoke tokens, with which programs use a service.

    \b
    abreast token create backup --user anna --role operator --expires 90d
    abreast token list
    abreast token revoke 3
    """


@token_group.command("create")
@_NAME
@click.option(
    "--user", metavar="USER", help="Whose it is; may be left out when there is one user only."
)
@click.option("--role", type=_ROLES, help="What it may do at most; the user's role by default.")
@click.option(
    "--expires",
    metavar="TIME",
    type=Lifetime(),
    default="90d",
    show_default=True,
    help="How long it is good for: 12h, 90d, or never.",
)
@placed("Print the token as one JSON document.")
def create_command(**options: Any) -> None:
    """Make a token called NAME and print it, this once.

    \b
    curl -H "Authorization: Bearer $TOKEN" http://127.0.0.1:7000/api/v1/runs
    """
    from .tokens import create

    leave(create(where(options), **options))


@token_group.command("list")
@placed("Print the list as one JSON document.")
def list_tokens_command(**options: Any) -> None:
    """List the tokens: whose they are, what they may do, when they were last used."""
    from .tokens import list_tokens

    leave(list_tokens(where(options), **options))


@token_group.command("revoke")
@click.argument("ids", metavar="ID...", nargs=-1, required=True, type=click.IntRange(min=1))
@placed("Print the ids as one JSON document.")
def revoke_command(**options: Any) -> None:
    """Let tokens let nobody in any more."""
    from .tokens import revoke

    leave(revoke(where(options), **options))


COMMANDS = [user_group, token_group]

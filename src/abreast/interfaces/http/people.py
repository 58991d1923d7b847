"""``/users`` and ``/tokens``: who may use the service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from starlette.responses import Response

from ...errors import UsageError
from ..report_dict import iso
from .problems import Problem
from .query import NameInPath, time_of
from .route import ADMIN, PREFIX, VIEWER, Here, Route, There, answer, declared, in_thread
from .runs import RunId
from .shapes_service import (
    CreatedToken,
    NewToken,
    NewUser,
    OwnPassword,
    Tokens,
    User,
    UserChange,
    Users,
)

if TYPE_CHECKING:
    from .. import access

routes = APIRouter(prefix=PREFIX, tags=["access"], route_class=Route)


def _user(user: access.User) -> dict[str, Any]:
    return {"name": user.name, "role": user.role, "created": iso(user.created)}


def _token(token: access.Token) -> dict[str, Any]:
    return {
        "id": token.id, "name": token.name, "user": token.user, "role": token.role,
        "created": iso(token.created), "expires": iso(token.expires), "used": iso(token.used),
    }  # fmt: skip


@routes.get(
    "/users",
    operation_id="list_users",
    summary="List users",
    dependencies=ADMIN,
    responses=declared(200, Users, "All users, by name."),
)
def users(here: There) -> Response:
    """Who may log in, and what they may do."""
    return answer({"items": [_user(user) for user in here.service.access.users()]})


@routes.post(
    "/users",
    status_code=201,
    operation_id="add_user",
    summary="Add a user",
    dependencies=ADMIN,
    responses=declared(201, User, "The user.", 409, 415, 422),
)
def add_user(here: There, given: NewUser) -> Response:
    """Let somebody log in."""
    known = [user.name for user in here.service.access.users()]
    if given.name in known:
        raise Problem("exists", f"there is a user {given.name!r} already")
    try:
        user = here.service.access.add_user(given.name, given.password, given.role)
    except UsageError as error:
        raise _misfit(error) from None
    return answer(_user(user), 201)


def _misfit(error: UsageError) -> Problem:
    """The problem of what cannot be, with the member that is wrong."""
    text = str(error)
    words = {"password": "/password", "role": "/role", "cannot be": "/role",
             "expire": "/expires", "name": "/name", "user": "/user"}  # fmt: skip
    where = next((pointer for word, pointer in words.items() if word in text), "")
    return Problem("invalid", text, errors=[(where, text)])


def _known(here: Here, name: str) -> None:
    try:
        here.service.access.user(name)
    except UsageError as error:
        raise Problem("not-found", str(error)) from None


@routes.patch(
    "/users/{name}",
    operation_id="change_user",
    summary="Change a user",
    dependencies=ADMIN,
    responses=declared(200, User, "As they are now.", 404, 409, 415, 422),
)
def change_user(here: There, name: NameInPath, given: UserChange) -> Response:
    """Give a user another role or password. A new password logs them out everywhere."""
    access = here.service.access
    _known(here, name)
    if given.role is not None:
        from ..access_kinds import check_role

        try:
            check_role(given.role)
        except UsageError as error:
            raise _misfit(error) from None
    try:
        if given.password is not None:
            access.set_password(name, given.password)
    except UsageError as error:
        raise _misfit(error) from None
    try:
        if given.role is not None:
            access.set_role(name, given.role)
    except UsageError as error:  # the last admin
        raise Problem("conflict", str(error)) from None
    return answer(_user(access.user(name)))


@routes.post(
    "/me/password",
    status_code=204,
    operation_id="change_own_password",
    summary="Change your password",
    dependencies=VIEWER,
    responses=declared(204, None, "It is changed; log in again.", 409, 415, 422, 429),
)
async def change_own_password(here: There, given: OwnPassword) -> Response:
    """Give yourself another password, whatever your role. It logs you out everywhere."""
    name, access = here.user.name, here.service.access
    if await in_thread(lambda: all(user.name != name for user in access.users())):
        raise Problem("conflict", f"{name!r} has no password: log in as a user that has one")
    client = here.request.client
    doorman = here.request.scope["state"]["doorman"]
    if await doorman.password(name, given.current, client.host if client else "") is None:
        said = "this is not your password"
        raise Problem("invalid", said, errors=[("/current", said)])
    try:
        await in_thread(access.set_password, name, given.new)
    except UsageError as error:
        raise Problem("invalid", str(error), errors=[("/new", str(error))]) from None
    return Response(None, 204)


@routes.delete(
    "/users/{name}",
    status_code=204,
    operation_id="remove_user",
    summary="Remove a user",
    dependencies=ADMIN,
    responses=declared(204, None, "They are gone, with their tokens.", 404, 409),
)
def remove_user(here: There, name: NameInPath) -> Response:
    """Let somebody log in no more."""
    _known(here, name)
    try:
        here.service.access.remove_user(name)
    except UsageError as error:
        raise Problem("conflict", str(error)) from None
    return Response(None, 204)


@routes.get(
    "/tokens",
    operation_id="list_tokens",
    summary="List tokens",
    dependencies=ADMIN,
    responses=declared(200, Tokens, "All tokens, without their texts."),
)
def tokens(here: There) -> Response:
    """What lets programs in, when it expires and was last used."""
    return answer({"items": [_token(token) for token in here.service.access.tokens()]})


@routes.post(
    "/tokens",
    status_code=201,
    operation_id="create_token",
    summary="Make a token",
    dependencies=ADMIN,
    responses=declared(201, CreatedToken, "The token, whose text is shown this once.", 415, 422),
)
def create_token(here: There, given: NewToken) -> Response:
    """Let a program in as a user, with at most a role."""
    owner = given.user or here.user.name
    expires = time_of(given.expires, "/expires", query=False)
    try:
        text, token = here.service.access.create_token(given.name, owner, given.role, expires)
    except UsageError as error:
        raise _misfit(error) from None
    return answer({**_token(token), "token": text}, 201, {"Cache-Control": "no-store"})


@routes.delete(
    "/tokens/{id}",
    status_code=204,
    operation_id="revoke_token",
    summary="Revoke a token",
    dependencies=ADMIN,
    responses=declared(204, None, "It lets nobody in any more.", 404),
)
def revoke_token(here: There, id: RunId) -> Response:
    """Let a token let nobody in."""
    if not here.service.access.revoke_token(id):
        raise Problem("not-found", f"there is no token {id}")
    return Response(None, 204)

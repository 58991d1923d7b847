"""The page to log in on. It works without scripts and loads nothing from elsewhere."""

from __future__ import annotations

from html import escape

from .. import dashboard

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; script-src 'none'; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}

_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Log in – abreast</title>
<link rel="icon" href="{root}{logo}" type="image/svg+xml">
<link rel="stylesheet" href="{root}/login/style.css">
</head>
<body class="login">
<main>
<h1><img src="{root}{logo}" alt="" width="28" height="28">abreast</h1>
{said}{form}</main>
</body>
</html>
"""

_FORM = """\
<form method="post" action="{root}/login">
<label for="name">Name</label>
<input id="name" name="name" value="{name}" autocomplete="username" autocapitalize="none"
 maxlength="64" required autofocus>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required>
<input type="hidden" name="next" value="{target}">
<button class="primary">Log in</button>
</form>
"""

NOBODY = (
    "There are no users yet. Open the one-time link that abreast serve has printed, or add one "
    "on the machine it runs on: abreast user add NAME"
)
SPENT = (
    "This link was used already, is older than ten minutes, or there are users now. Start the "
    "service again for another one, or add a user on its machine: abreast user add NAME"
)


def page(root: str, target: str, *, name: str = "", trouble: str = "", form: bool = True) -> str:
    """Return the page.

    Parameters
    ----------
    root : str
        What our paths begin with, as seen by the browser.
    target : str
        Where to go afterwards: a path.
    name : str
        What was typed before.
    trouble : str
        What to say above the form.
    form : bool
        Whether there is a form.
    """
    said = f'<p class="trouble" role="alert">{escape(trouble)}</p>\n' if trouble else ""
    shown = ""
    if form:
        shown = _FORM.format(root=escape(root), name=escape(name), target=escape(target))
    logo = dashboard.address("logo.svg")
    return _PAGE.format(root=escape(root), logo=logo, said=said, form=shown)


def style() -> bytes:
    """How the page looks: as the dashboard does."""
    assets = dashboard.assets()
    return assets["css/tokens.css"].plain + assets["css/base.css"].plain

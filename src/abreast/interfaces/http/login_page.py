"""The page to log in on. It works without scripts and loads nothing from elsewhere."""

from __future__ import annotations

from html import escape

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; script-src 'none'; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}

STYLE = """\
:root { color-scheme: light dark; --line: #8a8f98; --trouble: #b3261e; --act: #0f4bca; }
@media (prefers-color-scheme: dark) { :root { --trouble: #ff8a80; --act: #3d74e6; } }
body { font: 1rem/1.5 system-ui, sans-serif; margin: 12vh auto 0; max-width: 22rem; padding: 1rem; }
h1 { font-size: 1.4rem; margin: 0 0 1rem; }
label { display: block; margin: 0.8rem 0 0.2rem; }
input { box-sizing: border-box; width: 100%; font: inherit; padding: 0.5rem;
  border: 1px solid var(--line); border-radius: 4px; }
button { font: inherit; margin-top: 1.2rem; padding: 0.5rem 1.2rem; border: 0; border-radius: 4px;
  background: var(--act); color: #fff; cursor: pointer; }
.trouble { color: var(--trouble); }
"""

_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Log in – abreast</title>
<link rel="stylesheet" href="{root}/login/style.css">
</head>
<body>
<main>
<h1>abreast</h1>
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
<button>Log in</button>
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
    return _PAGE.format(root=escape(root), said=said, form=shown)

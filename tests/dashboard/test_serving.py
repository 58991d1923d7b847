"""What the dashboard is made of, and how it is served."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from pathlib import Path
from posixpath import dirname, normpath

import pytest
from tests.http.service_help import Client, Service, problem, serving

from abreast.interfaces.dashboard import assets, version
from abreast.interfaces.dashboard.pages import LOADED, PATHS, SCRIPT, SHEET, page, shortened

FOLDER = Path(__file__).parents[2] / "src/abreast/interfaces/dashboard/static"
# Longer than they should be; nothing may come here, and what fits leaves.
LONG = {"js/timeline/draw.js", "js/timeline/model.js", "js/timeline/view.js"}
MOST_KB = 80  # kB of 1000 bytes, compressed: everything there is
PAGE = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}
TEXTS = {name: (FOLDER / name).read_text() for name in assets() if name not in (SCRIPT, SHEET)}
MODULES = {name: text for name, text in TEXTS.items() if name.endswith(".js")}
COMMENT = re.compile(r"^[ \t]*(//.*$|/\*[\s\S]*?\*/[ \t]*$)|^[ \t]+", re.MULTILINE)
BARE = {name: COMMENT.sub("", text) for name, text in MODULES.items()}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(tmp_path_factory.mktemp("serving"), working=False) as found:
        yield found


@pytest.fixture(scope="module")
def viewer(service: Service) -> Client:
    return Client(service, "vera")


@pytest.fixture(scope="module")
def stranger(service: Service) -> Client:
    return Client(service, None)


# -- serving ----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [path.replace("{rest:path}", "1") for path in PATHS])
def test_all_addresses_are_the_page(viewer: Client, stranger: Client, path: str) -> None:
    answer = viewer.get(path, headers=PAGE)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.content == page().plain
    policy = [part.strip() for part in answer.headers["content-security-policy"].split(";")]
    assert "default-src 'self'" in policy
    for part in policy:  # what is said beyond that takes away, and gives nothing
        assert not part.startswith(("script-src", "style-src", "img-src", "connect-src", "font-"))
        assert "unsafe" not in part
    answer = stranger.get(path + "?a=1", headers=PAGE)
    assert answer.status_code == 303
    there = path.replace("/", "%2F")
    assert answer.headers["location"] == f"/login?next={there}%3Fa%3D1"


def test_names_may_have_slashes(viewer: Client) -> None:
    assert viewer.get("/tasks/a%2Fb", headers=PAGE).status_code == 200
    assert viewer.get("/tasks/", headers=PAGE).status_code == 200
    problem(viewer.get("/elsewhere"), 404, "not-found")
    problem(viewer.post("/runs"), 403, "forbidden")


def test_the_page_is_asked_for_again(viewer: Client) -> None:
    first = viewer.get("/", headers=PAGE)
    assert first.headers["cache-control"] == "private, no-cache"
    again = viewer.get("/", headers=PAGE | {"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert viewer.get("/", headers={"If-None-Match": '"other"'}).status_code == 200


@pytest.mark.parametrize("name", sorted(assets()))
def test_assets_may_be_kept_for_ever(stranger: Client, name: str) -> None:
    address = f"/static/{version()}/{name}"
    answer = stranger.get(address, headers={"Accept-Encoding": "gzip"})
    assert answer.status_code == 200
    kind = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
    assert answer.headers["content-type"] == kind[name.rpartition(".")[2]] + "; charset=utf-8"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["vary"] == "Accept-Encoding"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert int(answer.headers["content-length"]) == len(assets()[name].packed)
    assert answer.content == assets()[name].plain
    plain = stranger.get(address, headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.content == answer.content
    again = stranger.get(address, headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    head = stranger.ask("HEAD", address, headers={"Accept-Encoding": "gzip"})
    assert (head.status_code, head.content) == (200, b"")
    assert gzip.decompress(assets()[name].packed) == assets()[name].plain


@pytest.mark.parametrize(
    "rest", ["{}/js/none.js", "000000000000/js/main.js", "{}/index.html", "{}", "", "{}/js",
             "{}/../pages.py", "{}/%2e%2e/pages.py", "{}/js/..%2fmain.js"]
)  # fmt: skip
def test_nothing_else_is_served(stranger: Client, rest: str) -> None:
    answer = stranger.get("/static/" + rest.format(version()))
    assert answer.status_code in (400, 404)
    assert "immutable" not in answer.headers["cache-control"]


# -- what it is made of -----------------------------------------------------------------------


def test_all_of_it_is_small() -> None:
    sizes = {name: len(assets()[name].packed) for name in LOADED}
    sizes["index.html"] = len(page().packed)
    for name, size in sorted(sizes.items(), key=lambda item: -item[1]):
        print(f"{size:7} {name}")
    total = sum(sizes.values())
    print(f"{total:7} in all")
    assert total <= MOST_KB * 1000


def test_only_what_people_need_is_left_out() -> None:
    text = 'a; // said\n/** Many\n lines. */\nb = "/* c */";\n  c = `one\n  two // ${a  + b}`;\n'
    found = shortened("x.js", text)
    assert '"/* c */"' in found
    assert "`one\n  two // ${a  + b}`" in found, "texts stay as they are"
    assert "said" not in found
    assert "Many" not in found
    assert shortened("x.svg", "<a>\n  <!-- b -->\n  <c d='e f'/></a>") == "<a><c d='e f'/></a>"


def test_the_page_asks_for_one_script_and_one_sheet() -> None:
    used = re.findall(rf"/static/{version()}/([\w./-]+)", page().plain.decode())
    assert sorted(used) == sorted(set(LOADED) - {"icons.svg"})
    script, sheet = (assets()[name].plain.decode() for name in (SCRIPT, SHEET))
    assert not re.search(r"^\s*import\b", script, re.MULTILINE)
    assert script.count("export const parts=") == 1
    for name in TEXTS:
        if name.endswith(".css"):
            first = re.search(r"\.[\w-]+", TEXTS[name])
            assert first is None or first[0] in sheet


def test_nothing_comes_from_elsewhere() -> None:
    for name, text in {**TEXTS, "index.html": page().plain.decode()}.items():
        rest = text.replace("http://www.w3.org/2000/svg", "")
        for found in re.finditer(r"(https?:)?//[\w-]+\.\w+|\bcdn\b|@import|@font-face", rest):
            raise AssertionError(f"{name}: {found[0]}")


def test_nothing_needs_an_exception_of_the_policy() -> None:
    text = page().plain.decode()
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", text)
    assert not re.search(r"<script(?![^>]*\ssrc=)", text)
    for name, text in BARE.items():
        for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(",
                     "new Function", "cssText", '"style",'):  # fmt: skip
            assert word not in text, f"{name}: {word}"


IMPORTS = re.compile(
    r"""(?:^|[;\s])(?:import|export)\s+(?P<what>[^;"'()]*?)\s*from\s*["'](?P<static>[^"']+)["']"""
    r"""|\bimport\(\s*["'](?P<lazy>[^"']+)["']\s*\)|^import\s+["'](?P<bare>[^"']+)["']""",
    re.MULTILINE,
)
EXPORTS = re.compile(
    r"^export\s+(?:async\s+)?(?:function\*?|const|let|class)\s+(\w+)"
    r"|^export\s+(?:const\s*)?[{[]([^}\]]*)[}\]]",
    re.MULTILINE,
)


def imports() -> Iterator[tuple[str, str, list[str]]]:
    """Who imports which module, and which names of it."""
    for name, text in BARE.items():
        for found in IMPORTS.finditer(text):
            target = found["static"] or found["lazy"] or found["bare"]
            assert target.startswith("."), f"{name} imports {target}, which is no relative address"
            braces = re.search(r"\{(.*)\}", found["what"] or "", re.DOTALL)
            listed = braces[1].split(",") if braces else []
            names = [part.split(" as ")[0].strip() for part in listed if part.strip()]
            yield name, normpath(f"{dirname(name)}/{target}"), names


def exports(name: str) -> set[str]:
    found = set()
    for single, several in EXPORTS.findall(BARE[name]):
        found |= (
            {single} if single else {part.split(" as ")[-1].strip() for part in several.split(",")}
        )
    return found


def test_every_imported_module_and_name_exists() -> None:
    for name, target, names in imports():
        assert target in MODULES, f"{name} imports {target}"
        missing = set(names) - exports(target)
        assert not missing, f"{name} imports {missing} of {target}"


def test_every_asset_is_used() -> None:
    reached, before = {"js/main.js"} | set(LOADED) - {SCRIPT, SHEET}, set[str]()
    while before != reached:
        before = set(reached)
        reached |= {target for name, target, _ in imports() if name in before}
    drawn = {name for name in TEXTS if name.endswith(".svg")}
    named = {name for name in drawn if any(f'asset("{name}")' in text for text in BARE.values())}
    sheets = {name for name in TEXTS if name.endswith(".css")}
    assert set(TEXTS) == reached | named | sheets


def test_every_icon_is_used_and_there() -> None:
    there = set(re.findall(r'<symbol id="([\w-]+)"', TEXTS["icons.svg"]))
    words = set(re.findall(r'"([\w-]+)"', "\n".join(BARE.values())))
    words |= {f"{name}" for name in re.findall(r"\b(\w+):", "\n".join(BARE.values()))}
    asked = set(re.findall(r"""\bicon\(\s*["']([\w-]+)["']""", "\n".join(BARE.values())))
    assert asked <= there, f"no such icon: {asked - there}"
    assert there <= words, f"nobody shows {there - words}"


def test_the_palette_is_the_one_that_was_searched() -> None:
    css = TEXTS["css/tokens.css"]
    light = {"queued": "#3e4550", "running": "#0f4bca", "succeeded": "#3ba26f",
             "failed": "#7f1909", "retrying": "#be8a0f", "cancelled": "#a086c2"}  # fmt: skip
    dark = {"queued": "#626577", "running": "#a2cff5", "succeeded": "#6bf4b5",
            "failed": "#bc3228", "retrying": "#f3c753", "cancelled": "#9f3fc6"}  # fmt: skip
    for name in light:
        found = re.findall(rf"--{name}: (#\w+);", css)
        assert found == [light[name], dark[name], dark[name]]


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    r, g, b = (
        part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("dark", [False, True])
def test_contrast(dark: bool) -> None:
    block = TEXTS["css/tokens.css"].split("@media")[1 if dark else 0]
    tokens = dict(re.findall(r"--([\w-]+): (#\w{6});", block))
    for ground in ("ground", "panel", "raised", "hover", "select"):
        for text in ("text", "soft", "accent", "trouble"):
            assert contrast(tokens[text], tokens[ground]) >= 4.5, (text, ground)
    for ground in ("ground", "panel", "raised"):
        assert contrast(tokens["edge"], tokens[ground]) >= 3
    for name in ("queued", "running", "succeeded", "failed", "retrying", "cancelled"):
        assert contrast(tokens[name], tokens["ground"]) >= 3, name
        assert contrast(tokens[f"on-{name}"], tokens[name]) >= 4.5, name
    assert contrast(tokens["on-accent"], tokens["accent"]) >= 4.5


def test_both_dark_themes_are_the_same() -> None:
    _, system, chosen = re.split(r"color-scheme: dark;", TEXTS["css/tokens.css"])
    pairs = re.compile(r"--[\w-]+: [^;]+;")
    assert pairs.findall(system.split("}")[0]) == pairs.findall(chosen.split("}")[0])


def test_exported_functions_have_a_line_of_documentation() -> None:
    silent = []
    for name, text in MODULES.items():
        lines = text.splitlines()
        for number, line in enumerate(lines):
            if re.match(r"export (async )?(function|class)|export const \w+ = .*=>", line):
                before = lines[number - 1].strip() if number else ""
                if not before.endswith("*/") and not before.startswith("export"):
                    silent.append(f"{name}:{number + 1}: {line}")
    assert not silent, "\n".join(silent)


def test_files_can_be_read_at_one_sitting() -> None:
    long = {name: len(text.splitlines()) for name, text in TEXTS.items() if name != "icons.svg"}
    assert {name for name, size in long.items() if size >= 400} <= LONG


def test_the_wheel_will_hold_them() -> None:
    found = {str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*") if path.is_file()}
    assert found == {*TEXTS, "index.html"}

"""The files that pages are made of: what is shipped is what was recorded, and nothing is fetched from elsewhere."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from shared.web import navigation
from shared.web.assets import STATIC, asset, icon_href, integrity_of, vendor, vendor_files

ROOT = Path(__file__).resolve().parents[2]
VENDOR = STATIC / "vendor"
TEMPLATES = sorted(
    file
    for folder in (*ROOT.glob("shared/web/templates"), *ROOT.glob("services/*/templates"))
    for file in folder.rglob("*")
    if file.suffix in {".html", ".svg"}
)
STYLESHEETS = sorted(STATIC.glob("*.css"))


def test_every_vendored_file_is_the_one_recorded() -> None:
    for key, entry in vendor_files().items():
        content = (VENDOR / entry["file"]).read_bytes()
        assert integrity_of(content) == entry["integrity"], f"{key} changed: run python tools/vendor.py"


def test_no_vendored_file_is_unrecorded() -> None:
    recorded = {entry["file"] for entry in vendor_files().values()} | {"vendor.json"}
    found = {file.relative_to(VENDOR).as_posix() for file in VENDOR.rglob("*") if file.is_file()}
    assert found == recorded


def test_records_agree_with_the_lock_file() -> None:
    lock = json.loads((ROOT / "tools/vendor/package-lock.json").read_text("utf-8"))["packages"]
    for entry in vendor_files().values():
        package = lock[f"node_modules/{entry['name']}"]
        assert package["version"] == entry["version"]
        assert package["license"] == entry["licence"]
        assert f"/{entry['version']}/" in entry["file"]
    assert not [name for name, package in lock.items() if "resolved" in package]


def test_every_package_has_its_notice() -> None:
    notices = (ROOT / "THIRD_PARTY_NOTICES.md").read_text("utf-8")
    for entry in vendor_files().values():
        assert f"## {entry['name']} {entry['version']} ({entry['licence']})" in notices


@pytest.mark.parametrize("file", [*TEMPLATES, *STYLESHEETS], ids=lambda file: str(file.relative_to(ROOT)))
def test_nothing_comes_from_elsewhere(file: Path) -> None:
    text = file.read_text("utf-8")
    assert not re.search(
        r"""(?:\b(?:src|href|srcset|poster|action)\s*=\s*["']?|url\(\s*["']?)(?:https?:)?//""", text, re.I
    )
    assert not re.search(r"@import", text)


@pytest.mark.parametrize("file", TEMPLATES, ids=lambda file: str(file.relative_to(ROOT)))
def test_templates_obey_the_content_security_policy(file: Path) -> None:
    text = file.read_text("utf-8")
    assert not re.search(r"<style\b", text, re.I)
    assert not re.search(r"<script\b(?![^>]*\bsrc=)", text, re.I)
    assert not re.search(r"<[^>{%]*\son[a-z]+\s*=", text, re.I), "an on… attribute is never run"
    assert "javascript:" not in text


@pytest.mark.parametrize("file", STYLESHEETS, ids=lambda file: file.name)
def test_stylesheets_refer_to_files_that_exist(file: Path) -> None:
    for target in re.findall(r"""url\(\s*["']?([^"')]+)""", file.read_text("utf-8")):
        assert (file.parent / target).is_file(), target


def test_only_tokens_name_colours() -> None:
    allowed = re.compile(r"light-dark\([^()]*(?:\([^()]*\)[^()]*)*\)")
    for file in STYLESHEETS:
        if file.name != "tokens.css":
            # printed paper is white whatever the reader's theme is
            text = file.read_text("utf-8").partition("@media print")[0]
            assert not re.findall(r"#[0-9a-f]{3,8}\b", allowed.sub("", text), re.I), file.name


def test_the_sprite_has_every_icon_that_a_template_names() -> None:
    sprite = (VENDOR / vendor_files()["icons"]["file"]).read_text("utf-8")
    drawn = set(re.findall(r'<symbol id="([^"]+)"', sprite))
    named = {
        name
        for file in TEMPLATES
        for name in re.findall(r"""\bicon\(\s*["']([a-z0-9-]+)["']""", file.read_text("utf-8"))
    }
    named |= {item.icon for item in vars(navigation).values() if isinstance(item, navigation.Item)}
    assert named <= drawn, f"run python tools/vendor.py to draw {sorted(named - drawn)}"


def test_addresses_change_with_the_content() -> None:
    assert re.fullmatch(r"/static/infrashare\.css\?v=[0-9a-f]{10}", asset("infrashare.css"))
    assert asset("infrashare.css") != asset("tokens.css")
    assert icon_href("search").startswith("/static/vendor/lucide-static/")
    assert icon_href("search").endswith("/sprite.svg#search")


def test_vendor_writes_whole_tags() -> None:
    script = vendor("htmx")
    assert script.startswith('<script src="/static/vendor/htmx/')
    assert f'integrity="{vendor_files()["htmx"]["integrity"]}"' in script
    assert vendor("font").startswith('<link rel="preload"')
    with pytest.raises(ValueError, match="neither a script nor a font"):
        vendor("icons")
    with pytest.raises(KeyError):
        vendor("jquery")

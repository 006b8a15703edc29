"""Addresses of the static files, each with a mark of its content, so that they can be cached for a year.

`asset("infrashare.css")` is for our own files, `vendor("htmx")` writes the whole tag of a third-party file with
the integrity recorded in `static/vendor/vendor.json`, `icon_href("search")` points into the icon sprite.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TypedDict

from markupsafe import Markup

STATIC = Path(__file__).with_name("static")
ADDRESS = "/static"


class VendorFile(TypedDict):
    """One third-party file as `vendor.json` records it; the key is what templates call it."""

    name: str
    version: str
    licence: str
    source: str
    file: str
    integrity: str


@cache
def asset(path: str) -> str:
    """The address of one of our own static files, ending in a mark that changes with its content."""
    mark = hashlib.sha256((STATIC / path).read_bytes()).hexdigest()[:10]
    return f"{ADDRESS}/{path}?v={mark}"


@cache
def vendor(key: str) -> Markup:
    """The tag of a third-party file: a script runs once the page is read, a font is fetched early."""
    entry = vendor_files()[key]
    href = f"{ADDRESS}/vendor/{entry['file']}"
    if entry["file"].endswith(".js"):
        return Markup('<script src="{}" integrity="{}" defer></script>').format(href, entry["integrity"])
    if entry["file"].endswith(".woff2"):
        # a font preloaded without crossorigin is fetched twice, even from the same origin
        return Markup('<link rel="preload" href="{}" as="font" type="font/woff2" crossorigin>').format(href)
    raise ValueError(f"{key} is neither a script nor a font: {entry['file']}")


@cache
def icon_href(name: str) -> str:
    """Where `<use>` finds the icon of this name."""
    return f"{ADDRESS}/vendor/{vendor_files()['icons']['file']}#{name}"


@cache
def vendor_files() -> dict[str, VendorFile]:
    """Every third-party file that is shipped, by the name templates use."""
    files: dict[str, VendorFile] = json.loads((STATIC / "vendor" / "vendor.json").read_text("utf-8"))
    return files


def integrity_of(content: bytes) -> str:
    """The value of an `integrity` attribute for this content."""
    return "sha384-" + base64.b64encode(hashlib.sha384(content).digest()).decode("ascii")


GLOBALS: dict[str, Callable[[str], str]] = {"asset": asset, "vendor": vendor, "icon_href": icon_href}

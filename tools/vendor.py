"""Renews the third-party files under shared/web/static/vendor: `python tools/vendor.py`.

Nobody needs npm to run, test or deploy the project, because the files are committed. The versions are those of
tools/vendor/package-lock.json. Copies the files listed here, cuts the icon sprite to the names in use, and writes
vendor.json (what a test compares with the files) and THIRD_PARTY_NOTICES.md.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from shared.web.assets import VendorFile, integrity_of  # noqa: E402

NPM = ROOT / "tools" / "vendor"
MODULES = NPM / "node_modules"
TARGET = ROOT / "shared" / "web" / "static" / "vendor"
NOTICES = ROOT / "THIRD_PARTY_NOTICES.md"

FONTS = "@fontsource-variable"
# what templates call it, the package, the file in the package
COPIED = (
    ("htmx", "htmx.org", "dist/htmx.min.js"),
    *(
        (f"{key}{suffix}", f"{FONTS}/{package}", f"files/{package}-{subset}-wght-normal.woff2")
        for key, package in (
            ("font", "atkinson-hyperlegible-next"),
            ("font-mono", "atkinson-hyperlegible-mono"),
            ("font-signs", "source-sans-3"),
        )
        for subset, suffix in (("latin", ""), ("latin-ext", "-ext"))
    ),
)
ICONS = "lucide-static"
# Icons whose names come from Python or from data, where reading the templates does not find them.
ICONS_NAMED_AT_RUN_TIME = """
    arrow-left-right bell building-2 calendar-check calendar-days calendar-x chart-column circle-alert circle-check
    circle-user circle-x clock download file-text hourglass house inbox info log-in mail map-pin microscope
    package search send settings shield-check table-2 ticket timer triangle-alert user-check users wrench x
"""
ICON_CALL = re.compile(r"""\bicon\(\s*["']([a-z0-9-]+)["']""")
INTRODUCTION = """\
# Third-party notices

Infrashare ships files of these packages under `shared/web/static/vendor/`. They keep their own licences, given here
in full. This page is written by `python tools/vendor.py`.
"""


def main() -> None:
    # npm is wherever the PATH of the one who runs this has it
    subprocess.run(["npm", "ci", "--ignore-scripts"], cwd=NPM, check=True)  # noqa: S607
    shutil.rmtree(TARGET, ignore_errors=True)
    files = {key: copied(package, source) for key, package, source in COPIED}
    files["icons"] = sprite()
    listing = json.dumps(files, indent=2, ensure_ascii=False) + "\n"
    (TARGET / "vendor.json").write_text(listing, "utf-8")
    NOTICES.write_text(notices(), "utf-8")
    forget_registry()
    print(f"{len(files)} files, {len(icons_in_use())} icons in {TARGET.relative_to(ROOT)}")


def copied(package: str, source: str) -> VendorFile:
    """Copies one file of a package and says what was copied."""
    return kept(package, source, Path(source).name, (MODULES / package / source).read_bytes())


def sprite() -> VendorFile:
    """One file with the shapes of all icons in use; stroke and size are the stylesheet's business."""
    symbols = []
    for name in icons_in_use():
        drawing = MODULES / ICONS / "icons" / f"{name}.svg"
        if not drawing.exists():
            raise SystemExit(f"{ICONS} has no icon called {name}")
        shapes = re.search(r"<svg[^>]*>(.*)</svg>", drawing.read_text("utf-8"), re.DOTALL)
        assert shapes, drawing
        inside = re.sub(r"\s*\n\s*", "", shapes[1]).replace(" />", "/>")
        symbols.append(f'<symbol id="{name}" viewBox="0 0 24 24">{inside}</symbol>')
    text = '<svg xmlns="http://www.w3.org/2000/svg">\n' + "\n".join(symbols) + "\n</svg>\n"
    return kept(ICONS, "icons/*.svg", "sprite.svg", text.encode("utf-8"))


def icons_in_use() -> list[str]:
    """Names that a template writes out, and those that only appear at run time."""
    templates = [*ROOT.glob("shared/web/templates/**/*.html"), *ROOT.glob("services/*/templates/**/*.html")]
    written = {name for file in templates for name in ICON_CALL.findall(file.read_text("utf-8"))}
    return sorted(written.union(ICONS_NAMED_AT_RUN_TIME.split()))


def kept(package: str, source: str, file_name: str, content: bytes) -> VendorFile:
    """Writes a file to its place, which names the version, and returns its entry in vendor.json."""
    about = manifest(package)
    place = f"{package.rsplit('/', 1)[-1].removesuffix('.org')}/{about['version']}/{file_name}"
    target = TARGET / place
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    return {
        "name": package,
        "version": about["version"],
        "licence": about["license"],
        "source": source,
        "file": place,
        "integrity": integrity_of(content),
    }


def notices() -> str:
    """The licence of each package, word for word."""
    packages = sorted({package for _, package, _ in COPIED} | {ICONS})
    parts = [INTRODUCTION]
    for package in packages:
        about = manifest(package)
        licence = (MODULES / package / "LICENSE").read_text("utf-8").strip()
        lines = "\n".join(line.rstrip() for line in licence.splitlines())
        parts.append(f"## {package} {about['version']} ({about['license']})\n\n```text\n{lines}\n```\n")
    return "\n".join(parts)


def manifest(package: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((MODULES / package / "package.json").read_text("utf-8"))
    return content


def forget_registry() -> None:
    """Takes download addresses out of the lock file: whoever renews it may use another registry."""
    lock = NPM / "package-lock.json"
    content = json.loads(lock.read_text("utf-8"))
    for package in content["packages"].values():
        package.pop("resolved", None)
    lock.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()

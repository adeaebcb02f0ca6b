"""Makes the dashboard of what `asv run` stored, and makes it work without a network:

    python benchmarks/publish.py [path/to/asv.conf.json]

`asv publish` writes .asv/html, whose pages load jQuery, flot, bootstrap and three more from content servers. This script
fetches the same releases with npm once (into .asv/npm), copies them to html/vendor and points index.html at them. It works
for any suite; without an argument it takes the one beside it. The pages have to be served; it says how.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
from pathlib import Path

PACKAGES = {
    "jquery": "3.3.1",
    "flot": "0.8.3",
    "bootstrap": "3.1.1",
    "blueimp-md5": "2.19.0",
    "flot-orderbars": "1.0.0",
    "stupid-table-plugin": "1.1.3",
}


def fetch(folder: Path) -> dict[str, Path]:
    """Every .js and .css file of the packages by lower-case name without '.min', installed into `folder`."""
    modules = folder / "node_modules"
    if not all((modules / name).is_dir() for name in PACKAGES):
        npm = shutil.which("npm")
        if npm is None:
            raise SystemExit(
                "npm is not installed, and brings the scripts; with a network the page works without them"
            )
        folder.mkdir(parents=True, exist_ok=True)
        wanted = [f"{name}@{version}" for name, version in PACKAGES.items()]
        subprocess.run(
            [npm, "install", "--no-audit", "--no-fund", "--prefix", str(folder), *wanted], check=True
        )
    files: dict[str, Path] = {}
    for name in PACKAGES:
        for path in sorted((modules / name).rglob("*")):
            if path.suffix in (".js", ".css") and "examples" not in path.parts:
                plain = path.name.lower().replace(".min.", ".")
                # the minified file, where a package has both
                if plain not in files or ".min." in path.name:
                    files[plain] = path
    return files


def vendor(page: Path, files: dict[str, Path]) -> None:
    """Replace each script and style sheet of another server by a copy in vendor/."""
    folder = page.parent / "vendor"
    folder.mkdir(exist_ok=True)

    def local(match: re.Match[str]) -> str:
        name = re.sub(r"-[0-9.]+(?=\.)", "", match["url"].rpartition("/")[2].lower().replace(".min.", "."))
        if name not in files:
            raise SystemExit(f"{page.name} loads {match['url']}, which none of {', '.join(PACKAGES)} has")
        shutil.copy(files[name], folder / name)
        return f'{match["attribute"]}="vendor/{name}"'

    text = page.read_text(encoding="utf-8")
    text = re.sub(r'(?P<attribute>src|href)="(?P<url>https?://[^"]+\.(?:js|css))"', local, text)
    text = re.sub(r'\s+(?:integrity|crossorigin)="[^"]*"', "", text)
    page.write_text(text, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description="asv publish, and the scripts of its pages beside them")
    parser.add_argument(
        "config",
        type=Path,
        nargs="?",
        default=Path(__file__).with_name("asv.conf.json"),
        help="asv.conf.json",
    )
    config = parser.parse_args().config.resolve()
    from asv.config import Config

    folder = config.parent
    html = folder / Config.load(str(config)).html_dir
    subprocess.run(["asv", "--config", config.name, "publish"], cwd=folder, check=True)
    files = fetch(html.parent / "npm")
    for page in sorted(html.glob("*.html")):
        vendor(page, files)
    print(f"look at it with:  python -m http.server --bind 127.0.0.1 -d {html}")


if __name__ == "__main__":
    main()

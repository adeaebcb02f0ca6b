"""Makes the dashboard, and makes it work without a network:  python benchmarks/publish.py

`asv publish` writes .asv/html, whose pages load jQuery, flot, bootstrap and three more from content servers. This script
fetches the same releases from npm once (into .asv/npm), copies them to html/vendor and points index.html at them.
Look at the result with:  python -m http.server -d benchmarks/.asv/html
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
HTML, NPM = HERE / ".asv" / "html", HERE / ".asv" / "npm"
PACKAGES = {
    "jquery": "3.3.1",
    "flot": "0.8.3",
    "bootstrap": "3.1.1",
    "blueimp-md5": "2.19.0",
    "flot-orderbars": "1.0.0",
    "stupid-table-plugin": "1.1.3",
}


def fetch() -> dict[str, Path]:
    """Every .js and .css file of the packages, by lower-case name without '.min'."""
    if not (NPM / "node_modules").is_dir():
        NPM.mkdir(parents=True, exist_ok=True)
        wanted = [f"{name}@{version}" for name, version in PACKAGES.items()]
        subprocess.run(
            ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(NPM), *wanted], check=True
        )
    files: dict[str, Path] = {}
    for name in PACKAGES:
        for path in sorted((NPM / "node_modules" / name).rglob("*")):
            if path.suffix in (".js", ".css") and "examples" not in path.parts:
                plain = path.name.lower().replace(".min.", ".")
                # the minified file, where a package has both
                if plain not in files or ".min." in path.name:
                    files[plain] = path
    return files


def vendor(index: Path, files: dict[str, Path]) -> None:
    """Replace each script and style sheet of another server by a copy in vendor/."""
    folder = index.parent / "vendor"
    folder.mkdir(exist_ok=True)

    def local(match: re.Match[str]) -> str:
        name = re.sub(r"-[0-9.]+(?=\.)", "", match["url"].rpartition("/")[2].lower().replace(".min.", "."))
        if name not in files:
            raise SystemExit(f"index.html loads {match['url']}, which none of {', '.join(PACKAGES)} has")
        shutil.copy(files[name], folder / name)
        return f'{match["attribute"]}="vendor/{name}"'

    text = index.read_text()
    text = re.sub(r'(?P<attribute>src|href)="(?P<url>https?://[^"]+\.(?:js|css))"', local, text)
    text = re.sub(r'\s+(?:integrity|crossorigin)="[^"]*"', "", text)
    index.write_text(text)


def main() -> None:
    subprocess.run(["asv", "publish"], cwd=HERE, check=True)
    vendor(HTML / "index.html", fetch())
    print(f"{HTML / 'index.html'}: look with  python -m http.server -d {HTML}")


if __name__ == "__main__":
    main()

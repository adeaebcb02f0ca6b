"""Checks what the wheel and the sdist hold:  python .ci/contents.py dist"""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path


def main(dist: Path) -> None:
    listed = subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=True).stdout.split()
    tracked = {name for name in listed if not name.startswith(".")}
    (wheel,), (sdist,) = dist.glob("*.whl"), dist.glob("*.tar.gz")

    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if ".dist-info/" not in name}
    code = {name for name in tracked if name.startswith("fastnn/")}
    code |= {f"fastnn/{name}" for name in tracked if name.startswith("plugins/")}
    report(f"{wheel.name}, {wheel.stat().st_size / 1e3:.0f} kB", inside, code)

    with tarfile.open(sdist) as archive:
        names = {member.name.partition("/")[2] for member in archive if member.isfile()}
    made = {name for name in names if ".egg-info/" in name} | {"PKG-INFO", "setup.cfg"}
    report(f"{sdist.name}, {sdist.stat().st_size / 1e3:.0f} kB", names - made, tracked)


def report(what: str, inside: set[str], expected: set[str]) -> None:
    if inside != expected:
        raise SystemExit(
            f"{what}\n  lacks {sorted(expected - inside)}\n  has too much {sorted(inside - expected)}"
        )
    print(f"{what}: {len(inside)} files, as expected")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

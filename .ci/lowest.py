"""Prints the lower bounds of what fastnn depends on as pins:  python .ci/lowest.py > constraints.txt"""

import re
import tomllib
from pathlib import Path

if __name__ == "__main__":
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    for requirement in project["dependencies"]:
        name, version = re.fullmatch(r"([a-z]+)>=([0-9.]+)", requirement).groups()
        print(f"{name}=={version}.*")

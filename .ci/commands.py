"""Prints the n-th shell block of README.md's quick start:  python .ci/commands.py README.md 1

The quick start is the section whose heading holds these words; its first ```bash block trains, its second one tests.
"""

import re
import sys
from pathlib import Path


def blocks(text: str) -> list[str]:
    found = re.search(
        r"^(#+) [^\n]*quick start[^\n]*\n(.*?)(?=^\1 |\Z)", text, re.DOTALL | re.IGNORECASE | re.MULTILINE
    )
    if found is None:
        raise SystemExit("README.md has no heading with the words 'quick start'")
    return re.findall(r"^```bash\n(.*?)^```", found[2], re.DOTALL | re.MULTILINE)


if __name__ == "__main__":
    number, commands = int(sys.argv[2]), blocks(Path(sys.argv[1]).read_text())
    if len(commands) < number:
        raise SystemExit(f"README.md's quick start has {len(commands)} ```bash blocks, {number} expected")
    print(commands[number - 1], end="")

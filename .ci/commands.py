"""Prints the n-th shell block of README.md:  python .ci/commands.py README.md 1

The first ```bash block trains, the second one tests: the two commands that a stranger runs.
"""

import re
import sys
from pathlib import Path

if __name__ == "__main__":
    number = int(sys.argv[2])
    blocks = re.findall(r"^```bash\n(.*?)^```", Path(sys.argv[1]).read_text(), re.DOTALL | re.MULTILINE)
    if len(blocks) < number:
        raise SystemExit(f"{sys.argv[1]} has {len(blocks)} ```bash blocks, {number} expected")
    print(blocks[number - 1], end="")

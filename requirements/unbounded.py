"""Print the requirements of pyproject.toml and its extras without upper bounds: ``python unbounded.py EXTRA...``."""

import re
import sys
import tomllib
from pathlib import Path

project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
requirements = [*project["dependencies"]]
for extra in sys.argv[1:]:
    requirements += project["optional-dependencies"][extra]
for requirement in requirements:
    print(re.sub(r",?<[\w.]+", "", requirement))

"""Print the requirements of pyproject.toml (but torch) and of the named extras, without upper bounds."""

import re
import sys
import tomllib
from pathlib import Path

project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
requirements = [*project["dependencies"]]
for extra in sys.argv[1:]:
    requirements += project["optional-dependencies"][extra]
for requirement in requirements:
    if not requirement.startswith("torch>"):  # its build depends on the machine
        print(re.sub(r",?<[\w.]+", "", requirement))

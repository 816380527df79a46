"""Packages that are not installed, made to be found as an installer would leave them, and commands that are run beside them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"


def install(package: Path, site: Path) -> Path:
    """The modules of a package in a folder, with what its own pyproject.toml says of its entry points; nothing is built or fetched."""
    about = tomllib.loads((package / "pyproject.toml").read_text(encoding="utf-8"))
    project, wheel = about["project"], about["tool"]["hatch"]["build"]["targets"]["wheel"]
    site.mkdir(parents=True, exist_ok=True)
    for module in wheel["only-include"]:
        shutil.copy(package / module, site)
    describe(site, project["name"], project["entry-points"])
    return site


def describe(site: Path, name: str, points: dict[str, dict[str, str]]) -> None:
    """The folder `.dist-info` of a package with these entry points by group."""
    info = site / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8")
    lines = [f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in rows.items()) for group, rows in points.items()]
    (info / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")


def python(*words: str | Path, site: Path | None = None, wanted: int = 0) -> str:
    """What a Python of its own prints, with further packages on its path."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, [ROOT, *([site] if site else [])]))}
    done = subprocess.run([sys.executable, *map(str, words)], capture_output=True, text=True, check=False, env=environment, cwd=ROOT)
    assert done.returncode == wanted, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def hopgraph(*words: str | Path, site: Path | None = None, wanted: int = 0) -> str:
    """What a command of HopGraph prints."""
    return python("-m", "hopgraph", *words, site=site, wanted=wanted)

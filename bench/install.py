"""Size of a base installation: the project in a fresh virtual environment, as users get it."""

import importlib.metadata
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from bench.command import Request, bench_command
from bench.outcome import Figures, Grid, Outcome
from bench.provenance import ROOT

FORBIDDEN: Final = ("torch", "transformers", "tensorflow", "jax")
MB: Final = 1_000_000
SHOWN: Final = 8


@bench_command("install", needs_speech=False)
def main(request: Request) -> Outcome:
    """Size of the virtual environment of the base install, default model included."""
    with tempfile.TemporaryDirectory() as folder:
        venv = Path(folder) / "venv"
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        python = venv / "bin" / "python"
        bare_mb = size_mb(venv)
        began = time.perf_counter()
        subprocess.run(
            [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", ROOT],
            check=True, env=_users_environment(), cwd=folder,
        )  # fmt: skip
        install_s = time.perf_counter() - began
        # Fails unless the default model's files are there and right.
        model = subprocess.run(
            [venv / "bin" / "streamscribe", "models", "path"],
            check=True, capture_output=True, text=True, env=_users_environment(), cwd=folder,
        )  # fmt: skip
        packages = package_sizes(venv)
        found = [name for name in FORBIDDEN if name in packages]
        figures: Figures = {
            "venv_mb": size_mb(venv),
            "bare_venv_mb": bare_mb,
            "model_mb": sum(Path(line).stat().st_size for line in model.stdout.split()) / MB,
            "install_s": install_s,
            "forbidden_packages": len(found),
            "forbidden_found": found,
            "packages_mb": packages,
        }
    largest = list(packages.items())[:SHOWN]
    rows = [("all of it", f"{figures['venv_mb']:.1f}"), ("an empty one", f"{bare_mb:.1f}")]
    rows += [(name, f"{mb:.1f}") for name, mb in largest]
    return Outcome(figures, (Grid("Virtual environment", ("what", "MB"), rows),))


def package_sizes(venv: Path) -> dict[str, float]:
    """Megabytes of each installed distribution's files by name, the largest first."""
    [site_packages] = (venv / "lib").glob("python*/site-packages")
    sizes: dict[str, float] = {}
    for distribution in importlib.metadata.distributions(path=[str(site_packages)]):
        paths = [Path(str(file.locate())) for file in distribution.files or []]
        total = sum(path.stat().st_size for path in paths if path.is_file())
        sizes[distribution.name.lower()] = total / MB
    return dict(sorted(sizes.items(), key=lambda item: item[1], reverse=True))


def size_mb(folder: Path) -> float:
    """Megabytes of all files below a folder; links are not followed."""
    return sum(
        os.lstat(Path(place) / name).st_size
        for place, _, names in os.walk(folder)
        for name in names
        if not (Path(place) / name).is_symlink()
    ) / MB  # fmt: skip


def _users_environment() -> dict[str, str]:
    """Ours, but with compiled modules kept, which count, and no packages from elsewhere."""
    hidden = ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH")
    return {name: value for name, value in os.environ.items() if name not in hidden}


if __name__ == "__main__":
    main()

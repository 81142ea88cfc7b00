"""What this machine has to offer: its processor, the cores we may use, the model's providers."""

import math
import os
import platform
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Machine:
    """Facts that a measured speed means nothing without."""

    system: str
    """Operating system and architecture, like ``Linux x86_64``."""
    cpu_model: str
    logical_cores: int
    """Cores that the operating system sees."""
    usable_cores: int
    """Cores that this process may use: its affinity and its control group's quota, rounded up."""
    python: str
    """Implementation and version, like ``CPython 3.11.9``."""


def describe_machine() -> Machine:
    """The facts, as far as they can be found out; a model that is not told is ``unknown``."""
    return Machine(
        system=f"{platform.system()} {platform.machine()}",
        cpu_model=_cpu_model(),
        logical_cores=os.cpu_count() or 1,
        usable_cores=usable_cores(),
        python=f"{platform.python_implementation()} {platform.python_version()}",
    )


def execution_providers() -> tuple[str, ...]:
    """ONNX Runtime's providers that this installation has, the preferred first."""
    import onnxruntime

    return tuple(onnxruntime.get_available_providers())


def usable_cores(cgroup_root: Path = Path("/sys/fs/cgroup")) -> int:
    """Cores that this process may keep busy, at least 1."""
    if sys.platform == "linux":
        allowed = len(os.sched_getaffinity(0))
    else:
        allowed = os.cpu_count() or 1
    quota = cgroup_quota(cgroup_root, _own_cgroup())
    return max(1, min(allowed, math.ceil(quota))) if quota is not None else max(1, allowed)


def cgroup_quota(root: Path, group: str) -> float | None:
    """Cores' worth of time per period, the tightest on the way up from ``group``.

    root: where the unified hierarchy (version 2) is mounted.   group: path below it, ``""`` for
    the root itself. ``None``: there is no limit.
    """
    quotas = []
    folder = root / group
    for place in (folder, *folder.parents):
        if not place.is_relative_to(root):
            break
        match = re.fullmatch(r"(\d+) (\d+)\s*", _read(place / "cpu.max"))
        if match and int(match[1]) > 0 and int(match[2]) > 0:
            quotas.append(int(match[1]) / int(match[2]))
    return min(quotas, default=None)


def _own_cgroup() -> str:
    match = re.search(r"^0::/(.*)$", _read(Path("/proc/self/cgroup")), re.MULTILINE)
    return match[1] if match else ""


def _cpu_model() -> str:
    if sys.platform == "darwin":
        told = subprocess.run(
            ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"],
            capture_output=True, text=True, check=False, timeout=5,
        )  # fmt: skip
        return told.stdout.strip() or "unknown"
    match = re.search(r"^model name\s*:\s*(.+)$", _read(Path("/proc/cpuinfo")), re.MULTILINE)
    return match[1].strip() if match else platform.processor() or "unknown"


def _read(path: Path) -> str:
    """The file's text, or nothing where the system does not have it."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""

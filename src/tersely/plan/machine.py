"""The memory that is there. The only module of the room that touches torch, and only when asked."""

from __future__ import annotations

from pathlib import Path

H200_BYTES = 141_000_000_000
"""Planned for where a GPU is meant but none is at hand."""

_CGROUP = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current"))


def device_kind(name: str) -> str:
    """ "cuda" or "cpu" for ``run.device``; "auto" takes a GPU where torch sees one."""
    if name != "auto":
        return "cuda" if name.startswith("cuda") else "cpu"
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def available_memory(device: str) -> tuple[int, str]:
    """(bytes free now, where the number comes from) on "cuda" or "cpu"."""
    if device == "cpu":
        return cpu_memory()
    import torch

    if not torch.cuda.is_available():
        return H200_BYTES, "one H200-class GPU, as this machine has none"
    free, _ = torch.cuda.mem_get_info()
    return int(free), f"free on {torch.cuda.get_device_name()}"


def cpu_memory(meminfo: Path = Path("/proc/meminfo"), cgroup: tuple[Path, Path] = _CGROUP) -> tuple[int, str]:
    """Memory that can be had without swapping: the kernel's MemAvailable, within the container's limit.

    Where there is no /proc, psutil is asked if it is installed; else 0 stands for "not known".
    """
    try:
        lines = dict(line.split(":", 1) for line in meminfo.read_text(encoding="ascii").splitlines() if ":" in line)
        free = int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return _psutil_memory()
    try:
        limit = int(cgroup[0].read_text()) - int(cgroup[1].read_text())
    except (OSError, ValueError):
        return free, "available on this machine"
    return (limit, "left of the container's limit") if limit < free else (free, "available on this machine")


def _psutil_memory() -> tuple[int, str]:
    try:
        import psutil
    except ImportError:
        return 0, "not known"
    return int(psutil.virtual_memory().available), "available on this machine"

"""How much memory this process may still use, where the system tells."""

import os
import re
import resource
from pathlib import Path


def available_memory() -> int:
    """Return how many bytes of memory this process may still use, if the system tells.

    >>> available_memory() > 0
    True
    """
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        found = re.search(r"MemAvailable:\s+(\d+) kB", meminfo.read_text())
        limits += [int(found[1]) * 1024] if found else []
    control_group = Path("/sys/fs/cgroup/memory.max")
    if control_group.exists() and (most := control_group.read_text().strip()).isdigit():
        used = int(control_group.with_name("memory.current").read_text())
        limits.append(max(0, int(most) - used))
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    if soft != resource.RLIM_INFINITY:
        limits.append(soft)
    return min(limits)

"""Test settings: what every test and every kernel that a test starts needs, whatever the caller's shell says."""
import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parent
for name in ("COURSE_SEED", "COURSE_THREADS"):  # stored outputs are those of the default seed and thread count
    os.environ.pop(name, None)
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))  # kernels run this clone


def pytest_configure(config):
    """Refuse to run without asserts, and find nbval's rules from any working folder."""
    if not __debug__:
        raise pytest.UsageError("PYTHONOPTIMIZE is set: tests without asserts test nothing. Unset it.")
    rules = config.option.nbval_sanitize_with
    if rules and not os.path.isabs(rules):
        config.option.nbval_sanitize_with = str(ROOT / rules)

"""A short set of chaos seeds; ``make chaos SEEDS=100`` runs many."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from chaos import run_batch


def test_a_few_seeds_break_no_invariant(tmp_path):
    broken = {str(scenario): found for scenario, found in run_batch([1, 2], tmp_path / "home") if found}
    assert broken == {}

"""Protocols: consistent names, extractors that exist, and labels that claim no more than they may."""

from __future__ import annotations

import subprocess
import sys

from metrics import PROTOCOLS
from metrics.features import EXTRACTORS


def test_every_protocol_is_complete_and_points_at_an_extractor() -> None:
    for name, protocol in PROTOCOLS.items():
        assert protocol.name == name
        assert protocol.version >= 1
        assert protocol.extractor in EXTRACTORS
        assert protocol.preprocessing
        assert protocol.better == ("higher" if protocol.metric == "clip_score" else "lower")
    assert len({protocol.label for protocol in PROTOCOLS.values()}) == len(PROTOCOLS)


def test_only_inception_distances_are_called_fid() -> None:
    for protocol in PROTOCOLS.values():
        is_fid = protocol.extractor == "inception-v3" and protocol.metric == "frechet"
        assert ("FID" in protocol.label) == is_fid


def test_the_formulas_do_not_load_torch() -> None:
    code = "import sys, metrics; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

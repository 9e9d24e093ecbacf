"""Fuzz every reader of people's files: python -m tests.fuzz SECONDS FOLDER.

What is damaged and reaches lines of code that nothing before it reached is kept in FOLDER/READER, and damaged
further; what breaks a reader is kept in FOLDER/broken with its traceback. A reader may take 10 seconds of
processor time. tests/corpus holds what one hour of this left, which a test replays.
"""

from __future__ import annotations

import faulthandler
import resource
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from types import CodeType, FrameType
from typing import Any

from sdbench.core.digest import digest_bytes
from tests.any_bytes import Reader, damaged
from tests.readers import readers

SECONDS_FOR_ONE = 10
MEMORY = 8 << 30
LARGEST = 4096
"""Bytes of a file that is damaged further."""
TRACED = ("/sdbench/", "/metrics/", "/reports/", "/reference_model/", "/PIL/", "/numpy/lib/", "file.py")

Lines = set[tuple[CodeType, int]]


@contextmanager
def traced(lines: Lines) -> Iterator[None]:
    """Add the lines that run in the block to `lines`."""

    def trace(frame: FrameType, event: str, _: Any) -> Callable[..., Any] | None:
        if event == "call" and not any(part in frame.f_code.co_filename for part in TRACED):
            return None
        lines.add((frame.f_code, frame.f_lineno))
        return trace

    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(None)


def too_long(*_: object) -> None:
    raise TimeoutError(f"takes more than {SECONDS_FOR_ONE} s")


class Target:
    """A reader, the lines that it has reached and the files that first reached them."""

    def __init__(self, name: str, reader: Reader, folder: Path) -> None:
        self.name, self.reader, self.folder = name, reader, folder / name
        self.broken = folder / "broken"
        self.lines: Lines = set()
        self.causes: set[str] = set()
        self.pool = [reader.whole]
        for file in sorted(self.folder.glob("*")):
            self.pool.append(file.read_bytes())
        for data in self.pool:
            self.reaches_more(data)

    def once(self, random: Random) -> None:
        data = damaged(random, random.choice(self.pool))
        if self.reaches_more(data) and len(data) <= LARGEST:
            self.pool.append(data)
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / digest_bytes(data)[:12]).write_bytes(data)

    def reaches_more(self, data: bytes) -> bool:
        before = len(self.lines)
        signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS_FOR_ONE)
        try:
            with traced(self.lines):
                self.reader.check(data)
        except Exception as error:
            self.keep(data, error)
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        return len(self.lines) > before

    def keep(self, data: bytes, error: Exception) -> None:
        frames = traceback.extract_tb(error.__traceback__)
        cause = f"{type(error).__name__} {frames[-1].filename}:{frames[-1].lineno}"
        if cause in self.causes:
            return
        self.causes.add(cause)
        self.broken.mkdir(parents=True, exist_ok=True)
        file = self.broken / f"{self.name}-{digest_bytes(data)[:12]}"
        file.write_bytes(data)
        file.with_name(f"{file.name}.txt").write_text("".join(traceback.format_exception(error)))
        print(f"{self.name}: {cause}: {error!s:.200}", flush=True)


def main() -> None:
    seconds, folder = float(sys.argv[1]), Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    faulthandler.enable()
    warnings.simplefilter("error")
    signal.signal(signal.SIGVTALRM, too_long)
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    seed = time.time_ns()
    random, end, rounds = Random(seed), time.monotonic() + seconds, 0
    targets = [Target(name, reader, folder) for name, reader in readers().items()]
    print(f"seed {seed}, {len(targets)} readers", flush=True)
    while time.monotonic() < end:
        for target in targets:
            for _ in range(10):
                target.once(random)
        rounds += 10
        if rounds % 50 == 0:
            left, kept = end - time.monotonic(), sum(len(target.pool) for target in targets)
            print(f"{rounds} files each, {kept} kept, {left:.0f} s left", flush=True)


if __name__ == "__main__":
    main()

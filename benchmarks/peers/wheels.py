"""Fetch the wheels of wheels.txt for a machine without network, slimmed.

    python benchmarks/peers/wheels.py .whl

There, in the repository's root (what Unsloth alone needs goes into a folder of its own):

    pip="python3 -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --upgrade"
    $pip --target /tmp/site .whl/*.whl && $pip --target /tmp/site-unsloth .whl/unsloth/*.whl
    export PYTHONPATH=/tmp/site   # latest.py puts /tmp/site-unsloth before it for Unsloth
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import zipfile
from fnmatch import fnmatch
from pathlib import Path

LIST = Path(__file__).with_name("wheels.txt")
PLATFORMS = ("manylinux_2_28", "manylinux_2_27", "manylinux_2_24", "manylinux_2_17")
OLD_PLATFORMS = ("manylinux2014", "manylinux1")


def listed() -> list[tuple[str, str, list[str]]]:
    """(folder, requirement, patterns to leave out), a line each."""
    lines = (line.split("#")[0].split() for line in LIST.read_text("utf-8").splitlines())
    return [(words[0], words[1], words[2:]) for words in lines if words]


def download(folder: Path, requirements: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:",
        "--python-version", "3.12", "--implementation", "cp", "--dest", str(folder),
    ]  # fmt: skip
    for name in (*PLATFORMS, *OLD_PLATFORMS):
        command += ["--platform", f"{name}_x86_64"]
    subprocess.run([*command, *requirements], check=True)


def slim(wheel: Path, left_out: list[str]) -> None:
    """The same wheel without some files; its list of files is shortened alike."""

    def gone(name: str) -> bool:
        return any(fnmatch(name, pattern) for pattern in left_out)

    small = wheel.with_suffix(".small")
    with (
        zipfile.ZipFile(wheel) as old,
        zipfile.ZipFile(small, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as new,
    ):
        for item in old.infolist():
            if gone(item.filename):
                continue
            held = old.read(item)
            if item.filename.endswith(".dist-info/RECORD"):
                lines = held.decode().splitlines(keepends=True)
                held = "".join(x for x in lines if not gone(x.split(",")[0])).encode()
            new.writestr(item, held, zipfile.ZIP_DEFLATED)
    small.replace(wheel)


def main() -> None:
    """Download, slim, print the sizes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    target = parser.parse_args().folder
    wanted = listed()
    for folder in sorted({folder for folder, _, _ in wanted}):
        download(target / folder, [req for at, req, _ in wanted if at == folder])
    for folder, requirement, left_out in wanted:
        if left_out:
            start = requirement.replace("-", "_").replace("==", "-")
            slim(next((target / folder).glob(f"{start}-*.whl")), left_out)
    wheels = sorted(target.rglob("*.whl"), key=lambda path: path.stat().st_size)
    for wheel in wheels:
        print(f"{wheel.stat().st_size / 2**20:7.2f} MiB  {wheel.relative_to(target)}")
    print(f"{sum(wheel.stat().st_size for wheel in wheels) / 2**20:7.2f} MiB in all")


if __name__ == "__main__":
    main()

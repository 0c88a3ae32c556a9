"""What the benches in Python share: the command line, and how a row is told."""

import argparse
import json
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "e2e"))

JSON = False


def begin(description):
    """Reads the command line; then `import cluster` finds the program."""
    global JSON
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--weft", default="build/release/weft")
    parser.add_argument("--rounds", default=9, type=int)
    parser.add_argument("--json", action="store_true", help="rows as objects, for run.py")
    arguments = parser.parse_args()
    JSON = arguments.json
    os.environ["WEFT"] = str(pathlib.Path(arguments.weft).absolute())
    return arguments


def tell(name, value, unit, beside=None, baseline=None, ratio=None):
    """A row, as the benches of C print theirs."""
    if JSON:
        row = {"name": name, "value": value, "unit": unit}
        if beside is not None:
            row.update(beside=beside, baseline=baseline, ratio=ratio)
        print(json.dumps(row), flush=True)
        return
    text = f"{name:<42} {value:10.4g} {unit:<8}"
    if beside is not None:
        text += f" {ratio:6.2f} of {beside} {baseline:.4g}"
    print(text.rstrip(), flush=True)

"""Holds a FOCUS file to the FinOps Foundation's validator.

Prints `held to N`, how many rules it was really held to, and then each rule that it breaks. The
validator reads its list of currencies by a path relative to its own folder, so that is the working
directory; its rules are those that it brings, nothing is downloaded.
"""

import contextlib
import io
import os
import sys
from pathlib import Path

import focus_validator
from focus_validator.validator import Validator

VERSION = "1.2.0.1"


def main() -> None:
    file = Path(sys.argv[1]).resolve()
    os.chdir(Path(focus_validator.__file__).parent.parent)
    with contextlib.redirect_stdout(io.StringIO()):
        results = Validator(
            data_filename=str(file),
            output_destination=None,
            output_type="console",
            focus_dataset="CostAndUsage",
            rules_version=VERSION,
            rules_block_remote_download=True,
            # All that its rules can be applied to: a rule that is not asked for passes unseen.
            applicability_criteria="ALL",
        ).validate()
    held, broken = 0, []
    for rule, entry in results.by_rule_id.items():
        if entry.get("details", {}).get("skipped"):
            continue
        held += 1
        if not entry.get("ok"):
            broken.append(rule)
    print(f"held to {held}")
    for rule in sorted(broken):
        print(rule)


if __name__ == "__main__":
    main()

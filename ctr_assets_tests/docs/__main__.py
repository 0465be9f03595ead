"""``python -m ctr_assets_tests.docs``: fill in anew what is generated in the README and in ``docs/``."""

import sys

from ctr_assets_tests.docs.blocks import ROOT, renewed


def main() -> int:
    for path, text in renewed().items():
        if not path.exists() or path.read_text() != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            sys.stdout.write(f"{path.relative_to(ROOT)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

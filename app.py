"""Serve OTX Web: `python app.py`, and what a Hugging Face Space runs."""

import sys

from otx_web.cli import main

if __name__ == "__main__":
    sys.exit(main(["serve"]))

"""`python -m otx_web`: the command line, also where nothing is installed."""

import sys

from otx_web.cli import main

if __name__ == "__main__":
    sys.exit(main())

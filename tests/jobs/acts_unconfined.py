"""As `acts`, on a kernel without a sandbox."""

from jobs import forkserver
from tests.jobs import acts

if __name__ == "__main__":
    forkserver.main(acts.act, engines=acts.ENGINES, confined=False)

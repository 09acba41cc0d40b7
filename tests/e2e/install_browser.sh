#!/usr/bin/env bash
# A Chromium for the tests: the system's where there is one, else Debian's package, else Playwright's own.
set -euo pipefail

for name in chromium chromium-browser google-chrome; do  # those that tests/e2e/conftest.py looks for
    if command -v "$name" > /dev/null; then exit 0; fi
done
if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null && ! grep -qi ubuntu /etc/os-release; then
    echo "Installing Chromium"  # Ubuntu's package of that name only fetches a snap
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    if apt-get install -qq --yes --no-install-recommends chromium > /dev/null; then exit 0; fi
fi
if python -m playwright install chromium; then exit 0; fi
echo "The tests in a browser need Chromium: install it (on Debian: apt-get install chromium), and make test again." >&2
exit 1

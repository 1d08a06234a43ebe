#!/bin/sh
# The path of Chromium, by which the gate's report is tested; installed from Debian where it can be.
set -e
if ! command -v chromium >/dev/null && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "[environments] installing chromium (0.4 GB)" >&2
  apt-get update -qq >&2
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >&2
fi
command -v chromium || { echo "no chromium: install it (Debian's package is called so)" >&2; exit 1; }

#!/bin/sh
# Makes ./configure and the Makefile.in from configure.ac and Makefile.am.
set -e
cd "$(dirname "$0")"
exec autoreconf --force --install --warnings=all "$@"

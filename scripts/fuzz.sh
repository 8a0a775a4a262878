#!/usr/bin/env bash
# Looks for inputs that break a promise: every fuzz target of the module on a
# number of new inputs. It is no part of check.sh, whose result must not hang
# on chance; an input it finds is kept in testdata/fuzz, and then `go test`
# runs it every time.
#
#   scripts/fuzz.sh [RUNS]   inputs per target, 100000 unless told
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# A number and not a time: a deadline that comes while an input is made
# smaller fails the target without a cause.
runs=${1:-100000}
found=0
failed=()
for package in $(go list ./...); do
	for target in $(go test -list '^Fuzz' "$package" | grep '^Fuzz' || true); do
		printf '\n== %s %s\n' "$package" "$target"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "${runs}x" -fuzzminimizetime 100x "$package" || failed+=("$package $target")
		found=$((found + 1))
	done
done
if [ "$found" = 0 ]; then
	echo "fuzz: no target was found" >&2
	exit 1
fi
if [ "${#failed[@]}" -gt 0 ]; then
	printf 'fuzz: FAILED: %s\n' "${failed[@]}" >&2
	exit 1
fi
echo "fuzz: $found targets, $runs inputs each"

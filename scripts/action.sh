#!/usr/bin/env bash
# The step of action.yml: runs wsload gate and leaves its verdict where GitHub
# shows it. It needs wsload in PATH, and reads
#
#	A, B, TARGET, ARGS, INCONCLUSIVE                  the inputs of the action
#	RUNNER_TEMP, GITHUB_OUTPUT, GITHUB_STEP_SUMMARY   set by the runner
#
# Its exit code is that of wsload gate.
set -euo pipefail

case $INCONCLUSIVE in
fail | pass) ;;
*)
	echo "input inconclusive: \"$INCONCLUSIVE\" is neither fail nor pass" >&2
	exit 2
	;;
esac

args=()
while IFS= read -r arg; do
	[ -z "$arg" ] || args+=("$arg")
done <<<"$ARGS"

directory=$(mktemp -d "$RUNNER_TEMP/wsload.XXXXXX")
echo "directory=$directory" >>"$GITHUB_OUTPUT"

# What a server writes may look like a command to the runner, which obeys it
# anywhere in a log. Until the token comes again it does not.
token=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
echo "::stop-commands::$token"
code=0
wsload gate --a "$A" --b "$B" --target "$TARGET" --out "$directory/verdict.json" --logs "$directory" \
	${args[@]+"${args[@]}"} || code=$?
echo "::$token::"

case $code in
0) verdict=pass ;;
3) verdict=fail ;;
4) verdict=inconclusive ;;
5) verdict=not_comparable ;;
*) verdict=error ;;
esac
echo "verdict=$verdict" >>"$GITHUB_OUTPUT"

if [ -s "$directory/verdict.json" ]; then
	wsload report --format md "$directory/verdict.json" >"$directory/comment.md"
	cat "$directory/comment.md" >>"$GITHUB_STEP_SUMMARY"
	wsload report --format junit "$directory/verdict.json" >"$directory/junit.xml"
	wsload report --format gobench "$directory/verdict.json" >"$directory/benchmarks.txt"
	wsload report --format annotations "$directory/verdict.json"
fi
if [ "$verdict" = inconclusive ] && [ "$INCONCLUSIVE" = pass ]; then
	exit 0
fi
exit "$code"

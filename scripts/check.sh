#!/usr/bin/env bash
# Runs every check of the repository, cheap ones first. CI runs the same.
# What it runs is the same every time: new inputs are looked for by fuzz.sh.
# It needs Go; the rest is installed by scripts/lab/lab.sh (as root on Debian).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

staticcheck=honnef.co/go/tools/cmd/staticcheck@v0.8.2
actionlint=github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
concurrent=(./runner ./stats ./internal/books ./internal/contest ./internal/drain ./internal/fleet ./internal/launch ./internal/memnet ./internal/parts ./internal/prefork ./internal/relay ./internal/rig ./internal/target ./internal/trigger ./internal/wire)

current="start"
step() {
	current=$*
	printf '\n== %s (at %d s)\n' "$current" "$SECONDS"
}
finish() {
	local status=$?
	if [ "$status" = 0 ]; then
		printf '\ncheck: all passed in %d s\n' "$SECONDS"
	else
		printf '\ncheck: FAILED at: %s (after %d s)\n' "$current" "$SECONDS" >&2
	fi
}
trap finish EXIT

formatted() {
	local unformatted
	unformatted=$(gofmt -l .)
	[ -z "$unformatted" ] || {
		printf 'gofmt would change:\n%s\n' "$unformatted" >&2
		return 1
	}
}

# smoke runs the command on a real scenario: what started has ended, each in
# one class, and nothing happened that must never happen.
smoke() {
	go run ./cmd/wsload run -c configs/smoke.yaml --json | jq -e '
		.schema == "wsload.result/1" and .complete and (.total
			| .connections.started > 0
			and .connections.ended == .connections.started
			and ([.outcomes[].count] | add) == .connections.started
			and .errors.invalid_state.unexplained == 0
			and .errors.probe_accepted == 0)'
}

step "gofmt"
formatted
step "go vet"
go vet ./...
for os in darwin windows; do
	step "go vet for $os"
	GOOS=$os go vet ./...
done
step "staticcheck"
go run "$staticcheck" ./...
step "actionlint"
go run "$actionlint"
step "lab: install the servers of the end-to-end tests"
scripts/lab/lab.sh install
step "go test"
go test ./...
step "go test -race, concurrent packages"
go test -race "${concurrent[@]}"
step "smoke run"
smoke
step "soak of five minutes"
scripts/soak.sh 5

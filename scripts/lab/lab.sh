#!/usr/bin/env bash
# The lab: WebSocket servers nobody here wrote, on loopback.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

usage() {
	cat >&2 <<'USAGE'
usage: scripts/lab/lab.sh COMMAND

  install             install what is missing for the servers and the checks
                      (Debian: apt-get, as root or by sudo; npm ci)
  check SERVER        say what SERVER still needs, by the exit status and a line
  node [PORT]         ws on Node
  python [PORT]       Debian's python3-websockets
  nginx [PORT [UP]]   nginx in front of UP (host:port), or of a node server of its own
  up                  all three, each line with the server's name before it

A server prints "listening ws://127.0.0.1:PORT" when it is ready (PORT 0, the
default, takes a free one) and ends on SIGTERM, SIGINT, or when its standard
input ends: started from a script in the background it needs one that stays open.
USAGE
	exit 2
}

fail() {
	echo "lab: $*" >&2
	exit 1
}

# apt_install installs packages; a fresh machine has no package lists yet.
apt_install() {
	command -v apt-get >/dev/null || fail "missing: $*; no apt-get here, install them by hand"
	local root=(env DEBIAN_FRONTEND=noninteractive)
	if [ "$(id -u)" != 0 ]; then
		sudo -n true 2>/dev/null || fail "missing: $*; run as root: scripts/lab/lab.sh install"
		root=(sudo -n "${root[@]}")
	fi
	local get=("${root[@]}" apt-get install -y -qq --no-install-recommends -o Dpkg::Use-Pty=0 "$@")
	"${get[@]}" >/dev/null 2>&1 || {
		"${root[@]}" apt-get update -qq >/dev/null
		"${get[@]}" >/dev/null
	}
}

# ws_installed holds when node_modules has the ws that package.json pins.
ws_installed() {
	node -e '
		const want = require("./package.json").dependencies.ws;
		process.exit(require("ws/package.json").version === want ? 0 : 1);
	' 2>/dev/null
}

install() {
	local missing=()
	command -v node >/dev/null || missing+=(nodejs)
	command -v npm >/dev/null || missing+=(npm)
	command -v nginx >/dev/null || missing+=(nginx-light)
	/usr/bin/python3 -c 'import websockets' 2>/dev/null || missing+=(python3-websockets)
	command -v jq >/dev/null || missing+=(jq) # scripts/check.sh
	command -v cc >/dev/null || missing+=(gcc libc6-dev) # go test -race
	[ ${#missing[@]} = 0 ] || apt_install "${missing[@]}"
	(cd node-ws && { ws_installed || npm ci --no-audit --no-fund --loglevel=error >/dev/null; })
}

# check says what a server needs that is not installed.
check() {
	case "$1" in
	node | nginx)
		command -v node >/dev/null || fail "node is not installed"
		(cd node-ws && ws_installed) || fail "the npm package ws is not installed"
		;;&
	nginx) command -v nginx >/dev/null || fail "nginx is not installed" ;;
	python) /usr/bin/python3 -c 'import websockets' 2>/dev/null || fail "python3-websockets is not installed" ;;
	esac
}

# free_port prints a port that is free now.
free_port() {
	node -e '
		const server = require("net").createServer().listen(0, "127.0.0.1", () => {
			console.log(server.address().port);
			server.close();
		});
	'
}

# accepting holds when something listens on port $1.
accepting() { (exec 9<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# write_config writes $dir/nginx.conf for port $1 and upstream $2.
write_config() {
	local descriptors
	descriptors=$(ulimit -n)
	[ "$descriptors" != unlimited ] && [ "$descriptors" -lt 65536 ] || descriptors=65536
	sed -e "s|@DIR@|$dir|g; s|@PORT@|$1|; s|@UPSTREAM@|$2|; s|@DESCRIPTORS@|$descriptors|" \
		nginx.conf.tmpl >"$dir/nginx.conf"
}

# start_nginx starts nginx on port $1 (0: a free one) in front of $2 and sets
# port. A free port may be taken before nginx has it, so that it tries again.
start_nginx() {
	local tries=5
	[ "$1" = 0 ] || tries=1
	for ((; tries > 0; tries--)); do
		port=$1
		[ "$port" != 0 ] || port=$(free_port)
		write_config "$port" "$2"
		"${guard[@]}" nginx -p "$dir" -e stderr -c "$dir/nginx.conf" </dev/null 2>"$dir/error.log" &
		local pid=$!
		pids+=("$pid")
		for ((n = 0; n < 200; n++)); do
			kill -0 "$pid" 2>/dev/null || break
			if accepting "$port"; then return; fi
			sleep 0.05
		done
		kill "$pid" 2>/dev/null || true
	done
	cat "$dir/error.log" >&2
	fail "nginx did not start"
}

# cleanup ends what nginx_server and up started.
cleanup() {
	trap - EXIT
	for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
	wait
	rm -rf "$dir"
}

# until_end waits for the standard input to end, or a signal.
until_end() {
	cat <&3 >/dev/null &
	pids+=($!)
	wait $! || true
}

# supervise prepares to start servers of its own and to end them. They get
# their standard input from a pipe each opens for itself and that never ends:
# Node makes its input non-blocking, which nobody who shares it would survive.
supervise() {
	pids=()
	dir=$(mktemp -d "${TMPDIR:-/tmp}/wsload-lab.XXXXXX")
	chmod 755 "$dir" # nginx's workers are another user when it runs as root
	mkfifo "$dir/open"
	guard=()
	# Also when this script is killed outright.
	command -v setpriv >/dev/null && guard=(setpriv --pdeathsig TERM --)
	exec 3<&0
	trap cleanup EXIT
	trap 'exit 0' TERM INT
}

nginx_server() {
	local port=${1:-0} upstream=${2:-} line
	supervise
	if [ -z "$upstream" ]; then
		mkfifo "$dir/ready"
		"${guard[@]}" node node-ws/server.js <>"$dir/open" >"$dir/ready" &
		pids+=($!)
		read -r line <"$dir/ready" || fail "the node server did not start"
		upstream=${line#listening ws://}
	fi
	start_nginx "$port" "$upstream"
	echo "listening ws://127.0.0.1:$port"
	until_end
}

up() {
	supervise
	local name
	for name in node python nginx; do
		"${guard[@]}" ./lab.sh "$name" <>"$dir/open" > >(sed -u "s/^/$name /") &
		pids+=($!)
	done
	until_end
}

PATH=$PATH:/usr/sbin
ulimit -S -n "$(ulimit -H -n)"
case "${1:-}" in
install) install ;;
check) check "${2:-}" ;;
node) exec node node-ws/server.js "${2:-0}" ;;
python) exec /usr/bin/python3 python-websockets/server.py "${2:-0}" ;;
nginx) nginx_server "${2:-0}" "${3:-}" ;;
up) up ;;
*) usage ;;
esac

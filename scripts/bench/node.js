'use strict';

// The lifecycle of bareloop for Node's ws: dial, upgrade, hold, Close 1000, the
// peer's Close, its FIN.
//
//   node node.js URL LIFECYCLES AT_ONCE [MEAN_HOLD_MS [STARTS_PER_S]]
//
// ws is the one that scripts/lab/lab.sh install brings. The hold is spread evenly
// from half its mean to one and a half. The result is one JSON object on the
// standard output, as bareloop's.

const path = require('path');
const { WebSocket } = require(path.join(__dirname, '..', 'lab', 'node-ws', 'node_modules', 'ws'));

const [url, n, atOnce, mean = 0, rate = 0] = process.argv.slice(2).map((v, i) => (i === 0 ? v : Number(v)));
if (!url || !(n >= 1) || !(atOnce >= 1)) {
  console.error('usage: node node.js URL LIFECYCLES AT_ONCE [MEAN_HOLD_MS [STARTS_PER_S]]');
  process.exit(2);
}

let left = n;
let complete = 0;
let failures = 0;
let firstFailure;

function start() {
  if (left === 0) return;
  left--;
  const socket = new WebSocket(url, { perMessageDeflate: false, handshakeTimeout: 5000 });
  let failed = false;
  socket.on('open', () => {
    if (mean > 0) setTimeout(() => socket.close(1000), mean / 2 + Math.random() * mean);
    else socket.close(1000);
  });
  socket.on('error', (error) => {
    failed = true;
    firstFailure ??= error.message;
  });
  socket.on('close', (code) => {
    if (failed || code !== 1000) failures++;
    else complete++;
    start();
  });
}

const cpu = process.cpuUsage();
const begin = performance.now();

process.on('exit', () => {
  const { user, system } = process.cpuUsage(cpu);
  const seconds = (performance.now() - begin) / 1000;
  console.log(JSON.stringify({
    lifecycles: complete,
    seconds,
    cpu_us_per_lifecycle: (user + system) / complete,
    lifecycles_per_s: complete / seconds,
    failures,
    first_failure: firstFailure,
    concurrency: atOnce,
  }));
  if (failures > 0) process.exitCode = 1;
});

setTimeout(() => {
  console.error('node: not done after 5 minutes: the server leaves connections open');
  process.exit(1);
}, 300_000).unref();

if (rate > 0) {
  let started = 0;
  const pace = setInterval(() => {
    const due = Math.min(atOnce, Math.ceil(((performance.now() - begin) / 1000) * rate));
    for (; started < due; started++) start();
    if (started === atOnce) clearInterval(pace);
  }, 1);
} else {
  for (let i = 0; i < atOnce; i++) start();
}

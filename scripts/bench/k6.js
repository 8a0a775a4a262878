// The lifecycle of bareloop for k6: open, hold, Close 1000, the peer's Close.
//
//   k6 run -q --no-usage-report -e URL=ws://127.0.0.1:9000/echo -e N=10000 -e C=100 -e HOLD=0 scripts/bench/k6.js
//
// N is the number of lifecycles, C how many at once, HOLD their mean hold in
// ms, spread evenly from half of it to one and a half, RATE how many users begin
// per second (0: all at once). MODULE is one of k6's two clients:
//
//   websockets  k6/websockets, which waits for the peer's Close (the default)
//   ws          k6/ws, which cannot: it cuts the connection behind its own Close
//   none        no connection at all: what k6 costs by itself, C users included
//
// The summary is one JSON object; CPU time is for the caller to take from the
// process.
import { WebSocket } from 'k6/websockets';
import ws from 'k6/ws';
import { sleep } from 'k6';
import exec from 'k6/execution';
import { Counter } from 'k6/metrics';

const url = __ENV.URL || 'ws://127.0.0.1:9000/echo';
const mean = Number(__ENV.HOLD || 0);
const rate = Number(__ENV.RATE || 0);
const module = __ENV.MODULE || 'websockets';

export const options = {
  scenarios: {
    lifecycles: {
      executor: 'shared-iterations',
      iterations: Number(__ENV.N || 10000),
      vus: Number(__ENV.C || 100),
      maxDuration: '5m',
    },
  },
  systemTags: [], // no tags: the cheapest k6 there is
};

const complete = new Counter('complete');
const failures = new Counter('failures');

// whenHeld calls back at the end of the hold.
function whenHeld(setTimer, close) {
  if (mean > 0) setTimer(close, mean / 2 + Math.random() * mean);
  else close();
}

// endings counts how one connection ends, once.
function endings() {
  let failed = false;
  return {
    error() {
      if (!failed) failures.add(1);
      failed = true;
    },
    close() {
      if (!failed) complete.add(1);
    },
  };
}

const modules = {
  websockets() {
    const socket = new WebSocket(url);
    const end = endings();
    socket.onopen = () => whenHeld(setTimeout, () => socket.close(1000));
    socket.onerror = end.error;
    socket.onclose = end.close;
  },
  ws() {
    const end = endings();
    ws.connect(url, null, (socket) => {
      socket.on('open', () => whenHeld((f, ms) => socket.setTimeout(f, ms), () => socket.close(1000)));
      socket.on('error', end.error);
      socket.on('close', end.close);
    });
  },
  none() {
    complete.add(1);
  },
};

export default function () {
  if (rate > 0 && exec.vu.iterationInScenario === 0) sleep(exec.vu.idInTest / rate);
  modules[module]();
}

export function handleSummary(data) {
  const count = (name) => (data.metrics[name] ? data.metrics[name].values.count : 0);
  const seconds = data.state.testRunDurationMs / 1000;
  const lifecycles = count('complete');
  return {
    stdout: `${JSON.stringify({
      lifecycles,
      seconds,
      lifecycles_per_s: lifecycles / seconds,
      failures: count('failures'),
    })}\n`,
  };
}

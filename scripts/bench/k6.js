// The lifecycle of bareloop for k6: open, hold, Close 1000, the peer's Close.
// It uses k6/websockets, since k6/ws cuts the connection without waiting for
// the peer's Close.
//
//   k6 run -q --no-usage-report -e URL=ws://127.0.0.1:9000/echo -e N=10000 -e C=100 -e HOLD=0 scripts/bench/k6.js
//
// N is the number of lifecycles, C how many at once, HOLD ms. The summary is
// one JSON object; CPU time is for the caller to take from the process.
import { WebSocket } from 'k6/websockets';
import { Counter } from 'k6/metrics';

const url = __ENV.URL || 'ws://127.0.0.1:9000/echo';
const hold = Number(__ENV.HOLD || 0);

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

export default function () {
  const socket = new WebSocket(url);
  let failed = false;
  socket.onopen = () => {
    if (hold > 0) setTimeout(() => socket.close(1000), hold);
    else socket.close(1000);
  };
  socket.onerror = () => {
    if (!failed) failures.add(1);
    failed = true;
  };
  socket.onclose = () => {
    if (!failed) complete.add(1);
  };
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

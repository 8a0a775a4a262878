'use strict';

// An echo server on ws that also obeys orders to end the connection:
//
//   close CODE [REASON]   closes with that code
//   abort rst             cuts with RST
//   abort fin             cuts with FIN, without a Close frame
//
// Usage: node server.js [PORT]. PORT 0, the default, takes a free one. Prints
// "listening ws://127.0.0.1:PORT" when ready and ends on SIGTERM or when its
// standard input ends, so that it cannot outlive the test that started it.

const { WebSocketServer } = require('ws');

const order = /^(?:close (\d+)(?: (.*))?|abort (rst|fin))$/s;

function obey(socket, [, code, reason, how]) {
  if (how === 'rst') {
    // ws has no call for it; its TCP socket has (Node 18.3).
    socket._socket.resetAndDestroy();
  } else if (how === 'fin') {
    socket.terminate();
  } else {
    try {
      socket.close(Number(code), reason);
    } catch (error) {
      socket.send(`error: ${error.message}`); // a code or reason ws refuses to send
    }
  }
}

const server = new WebSocketServer({
  host: '127.0.0.1',
  port: Number(process.argv[2] ?? 0),
  backlog: 4096, // Node's default of 511 drops part of a storm of dials
  perMessageDeflate: false, // what is measured is the teardown, not zlib
});

server.on('connection', (socket) => {
  socket.on('error', () => {}); // 'close' follows; a reset peer is no event here
  socket.on('message', (data, isBinary) => {
    const match = isBinary ? null : order.exec(data.toString());
    if (match) obey(socket, match);
    else socket.send(data, { binary: isBinary });
  });
});

server.on('listening', () => {
  console.log(`listening ws://127.0.0.1:${server.address().port}`);
});
server.on('error', (error) => {
  console.error(`node-ws: listen: ${error.message}`);
  process.exit(1);
});

const end = () => process.exit(0);
process.on('SIGTERM', end);
process.on('SIGINT', end);
process.stdin.on('end', end).on('error', end).resume();

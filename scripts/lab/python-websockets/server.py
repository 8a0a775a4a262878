#!/usr/bin/python3
"""An echo server on websockets that also obeys orders to end the connection.

    close CODE [REASON]   closes with that code
    abort rst             cuts with RST
    abort fin             cuts with FIN, without a Close frame

Usage: server.py [PORT]. PORT 0, the default, takes a free one. Prints
"listening ws://127.0.0.1:PORT" when ready and ends on SIGTERM or when its
standard input ends, so that it cannot outlive the test that started it.
"""

import asyncio
import os
import re
import signal
import socket
import struct
import sys
import threading

import websockets
from websockets.exceptions import ProtocolError
from websockets.frames import Close, Frame, Opcode

ORDER = re.compile(r"close (\d+)(?: (.*))?|abort (rst|fin)", re.DOTALL)


async def obey(ws, order):
    code, reason, how = order.groups()
    if how == "rst":
        linger = struct.pack("ii", 1, 0)  # on, 0 seconds: close() sends RST
        ws.transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, linger
        )
        ws.transport.abort()
    elif how == "fin":
        ws.transport.close()
    else:
        reason = reason or ""
        try:
            # ws.close would notice too, but only after it has left the open state.
            Frame(Opcode.CLOSE, Close(int(code), reason).serialize()).check()
        except ProtocolError as error:
            await ws.send(f"error: {error}")
        else:
            await ws.close(int(code), reason)


async def serve_one(ws):
    try:
        async for message in ws:
            order = isinstance(message, str) and ORDER.fullmatch(message)
            if order:
                await obey(ws, order)
            else:
                await ws.send(message)
    except websockets.ConnectionClosed:
        pass  # how it ended is for the client to tell


async def main(port):
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, ended.set)

    def watch_stdin():
        while os.read(0, 4096):  # sys.stdin's lock would stop the interpreter's exit
            pass
        loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=watch_stdin, daemon=True).start()

    server = await websockets.serve(
        serve_one,
        "127.0.0.1",
        port,
        backlog=4096,  # the default of 100 drops part of a storm of dials
        compression=None,  # what is measured is the teardown, not zlib
        ping_interval=None,  # no close of its own making on a busy machine
    )
    port = server.sockets[0].getsockname()[1]
    print(f"listening ws://127.0.0.1:{port}", flush=True)
    await ended.wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 0))

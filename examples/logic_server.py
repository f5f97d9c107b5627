"""An echo logic server for Pulsegate, written from proto/pulsegate.proto alone. Python 3.10 or later.

    python3 -m pip install -r examples/requirements.txt
    python3 examples/logic_server.py --listen 127.0.0.1:14001
"""

import argparse, asyncio, hashlib, hmac, os, pathlib, signal, sys

import grpc

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "proto"))
pb = grpc.protos("pulsegate.proto")  # compiles the contract, in memory
SECRET = os.environ.get("PULSEGATE_LOGIC__SECRET", "").encode()
modes = set()  # of the relays welcomed so far


def done(tick):
    """The game: each packet goes back to its sender."""
    packets = [item.packet for item in tick.items if item.HasField("packet")]
    replies = [pb.Reply(session=it.session, payload=it.payload) for it in packets]
    return {"done": pb.Done(tick=tick.number, replies=replies)}


def proof(*parts):
    return hmac.digest(SECRET, b"".join(parts), hashlib.sha256) if SECRET else b""


def welcome(hello):
    expected = proof(b"pulsegate hello", hello.nonce, hello.lineage.encode())
    if hello.protocol != 1:
        return goodbye("PROTOCOL", f"a Hello of version 1 was due, not of {hello.protocol}")
    if SECRET and not hmac.compare_digest(hello.proof, expected):
        return goodbye("SECRET", "the relay's shared secret is another one")
    if hello.mode == pb.MODE_REPLAY and pb.MODE_LIVE in modes:
        return goodbye("LIVE", "live players are served here: replay to another logic server")
    modes.add(hello.mode)
    known = proof(b"pulsegate welcome", hello.nonce)
    return {"welcome": pb.Welcome(protocol=1, name="python echo", stateless={}, proof=known)}


def goodbye(code, text):
    return {"goodbye": pb.Goodbye(code=code, text=text)}


async def serve(reader, writer):
    """One relay, from Hello to Goodbye."""

    def send(message):
        body = pb.FromLogic(**message).SerializeToString()
        writer.write(len(body).to_bytes(4, "big") + body)

    async def read():
        length = await asyncio.wait_for(reader.readexactly(4), timeout=10)  # it pings each second
        return pb.ToLogic.FromString(await reader.readexactly(int.from_bytes(length, "big")))

    try:
        send(said := welcome((await read()).hello))
        while "goodbye" not in said:
            await writer.drain()
            message = await read()
            match message.WhichOneof("message"):
                case "tick":
                    send(done(message.tick))
                case "ping":
                    send({"pong": pb.Pong(id=message.ping.id)})
                case "goodbye":
                    break
    except asyncio.CancelledError:
        send(goodbye("SHUTDOWN", "the logic server stops"))
    except (asyncio.IncompleteReadError, asyncio.TimeoutError, OSError) as error:
        print("link broke:", repr(error), file=sys.stderr)
    writer.close()


async def main(listen):
    host, _, port = listen.rpartition(":")
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asyncio.current_task().cancel)
    server = await asyncio.start_server(serve, host, int(port))
    print("waiting for a relay on %s:%s" % server.sockets[0].getsockname()[:2], file=sys.stderr)
    await asyncio.Future()  # until SIGTERM or Ctrl+C; open links are then told goodbye


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description="An echo logic server for Pulsegate.")
    arguments.add_argument("--listen", default="127.0.0.1:14001", metavar="HOST:PORT")
    try:
        asyncio.run(main(arguments.parse_args().listen))
    except (asyncio.CancelledError, KeyboardInterrupt):
        pass

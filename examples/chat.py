"""A logic server for Pulsegate in forty lines: everyone hears what anyone says. Needs requirements.txt."""

import pathlib, socket, sys

import grpc

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "proto"))
pb = grpc.protos("pulsegate.proto")  # compiles the contract, in memory


def play(tick):
    """The game: what the packets of a tick mean."""
    for packet in (item.packet for item in tick.items if item.HasField("packet")):
        yield pb.Reply(all={}, payload=b"%d: %s" % (packet.session, packet.payload))


def read(link):
    length = int.from_bytes(link.read(4), "big")
    return pb.ToLogic.FromString(link.read(length))


def send(link, **message):
    body = pb.FromLogic(**message).SerializeToString()
    link.write(len(body).to_bytes(4, "big") + body)
    link.flush()


def serve(link):
    """One relay, from its Hello until it hangs up."""
    read(link)
    send(link, welcome=pb.Welcome(protocol=1, name="chat", stateless={}))
    while kind := (message := read(link)).WhichOneof("message"):
        if kind == "tick":
            send(link, done=pb.Done(tick=message.tick.number, replies=play(message.tick)))
        elif kind == "ping":
            send(link, pong=pb.Pong(id=message.ping.id))


door = socket.create_server(("127.0.0.1", 14001))
while True:
    try:
        serve(door.accept()[0].makefile("rwb"))
    except OSError as error:
        print("link broke:", error, file=sys.stderr)

"""One port for several protocols: the caller listens, sniffs, and hands over."""

from __future__ import annotations

import asyncio
from pathlib import Path
import tempfile

import pytest

import comm
from comm.protocol import PROTOCOL_MAGIC, match_handshake
from tests.cluster import FAST, PATIENCE_S, pour, take
from tests.sockets.processes import TRANSPORTS, addresses


@pytest.mark.parametrize("sniffed_bytes", [1, 8])
@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_port_is_shared_with_another_protocol(
    transport: str, sniffed_bytes: int
) -> None:
    """A listener of the caller reads a prefix, answers what is not ours itself, and
    hands the others over with what it has read."""
    with tempfile.TemporaryDirectory(prefix="comm-") as folder:
        places = addresses(transport, 2, Path(folder))
        async with (
            comm.Switchboard(places, 0, listen=False, config=FAST) as first,
            comm.Switchboard(places, 1, listen=False, config=FAST) as second,
        ):

            async def serve(
                reader: asyncio.StreamReader, writer: asyncio.StreamWriter
            ) -> None:
                prefix = b""
                while (match := match_handshake(prefix)) is None:
                    byte = await reader.read(sniffed_bytes)
                    if not byte:
                        break
                    prefix += byte
                if match:
                    await first.handle_connection(reader, writer, prefix=prefix)
                    return
                writer.write(b"another protocol: " + prefix + await reader.read())
                writer.close()

            address = first.nodes[0]
            if transport == "unix":
                server = await asyncio.start_unix_server(serve, address.path)
            else:
                server = await asyncio.start_server(serve, address.host, address.port)
            sender, receiver = first.mpsc(bytes)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(pour(second, sender, [bytes(100_000), b"after"]))
                assert await take(receiver, 2) == [bytes(100_000), b"after"]
            if transport == "unix":
                reader, writer = await asyncio.open_unix_connection(address.path)
            else:
                reader, writer = await asyncio.open_connection(
                    address.host, address.port
                )
            writer.write(b"GET /\n")
            writer.write_eof()
            async with asyncio.timeout(PATIENCE_S):
                assert await reader.read() == b"another protocol: GET /\n"
            writer.close()
            await writer.wait_closed()
            server.close()


def test_matching_needs_the_whole_magic() -> None:
    """`match_handshake` says None until it can tell, and is never wrong."""
    for size in range(len(PROTOCOL_MAGIC)):
        assert match_handshake(PROTOCOL_MAGIC[:size]) is None
        assert match_handshake(PROTOCOL_MAGIC[:size] + b"?") is False
    assert match_handshake(PROTOCOL_MAGIC + b"anything") is True

"""Three processes pass a ball.

Each player makes a channel for balls and tells everyone its `Sender` by broadcast.
Then the ball goes around, from each player to the next.

Run all players on this machine, each a process of its own:

    python examples/pingpong.py

Or run each by itself, the addresses in the same order everywhere:

    python examples/pingpong.py 0 127.0.0.1:7101 127.0.0.1:7102 127.0.0.1:7103
    python examples/pingpong.py 1 127.0.0.1:7101 127.0.0.1:7102 127.0.0.1:7103
    python examples/pingpong.py 2 127.0.0.1:7101 127.0.0.1:7102 127.0.0.1:7103
"""

from __future__ import annotations

from dataclasses import dataclass

import local

import comm
from comm.broadcast import Token
from comm.mpsc import Sender


ROUNDS = 3


@dataclass(frozen=True)
class Player:
    """Where to throw the ball, to reach one player."""

    node_id: int
    ball: Sender[int]


PLAYERS: Token[Player] = Token("pingpong/players", Player, loopback=True)


async def play(switchboard: comm.Switchboard) -> None:
    """Meets the other players, then catches the ball and throws it on."""
    me, size = switchboard.node_id, switchboard.size
    sender, balls = switchboard.mpsc(int, max_producers=1)
    arrivals = switchboard.broadcast_rx(PLAYERS)
    announcements = switchboard.broadcast_tx(PLAYERS)
    await announcements.send(Player(me, sender))
    players = [await arrivals.receive() for _ in range(size)]
    throw_to = {player.node_id: player.ball for player in players}

    async with switchboard.connect(throw_to[(me + 1) % size]) as neighbour:
        if me == 0:
            await neighbour.send(1)
        async for bounce in balls:
            print(f"player {me} has the ball: bounce {bounce}", flush=True)
            if bounce == ROUNDS * size:
                break
            await neighbour.send(bounce + 1)
    # Whoever stops finishes the neighbour's channel, which has no other producer, so
    # that the neighbour stops, too, and the end travels once around.
    async for _ in balls:
        pass
    for handle in (balls, arrivals, announcements):
        handle.close()


async def main(node_id: int, addresses: list[str]) -> None:
    """Runs one player."""
    async with comm.Switchboard(addresses, node_id) as switchboard:
        await switchboard.rendezvous(timeout=20)
        await play(switchboard)
        await switchboard.drain(timeout=5)


if __name__ == "__main__":
    local.run(main)

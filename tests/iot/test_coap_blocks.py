"""Bodies in blocks that somebody begins and does not end, as datagrams at the box's own socket."""

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import aiocoap
import pytest
from aiocoap import resource

from gateway.iot.coap_blocks import MAX_ANSWER_BYTES, MAX_ANSWERS_OF_ONE, MAX_BODIES, MAX_BODIES_OF_ONE
from gateway.iot.coap_observe import MAX_ANSWER_BYTES as MAX_HEARD_BYTES
from gateway.iot.coap_observe import ask
from gateway.iot.coap_rd import BoundedResource
from gateway.iot.link import LinkDownError
from tests.conftest import Serve
from tests.iot.coap_box import Rig, box
from tests.iot.coap_peers import Peer, peer

LINKS = ",".join(f"</3303/{i}/5700>;obs" for i in range(150))


class Large(BoundedResource):
    """Says something large, another at each look."""

    def __init__(self) -> None:
        super().__init__()
        self.made = 0

    async def render_get(self, _request: aiocoap.Message) -> aiocoap.Message:
        self.made += 1
        return aiocoap.Message(payload=bytes(MAX_ANSWER_BYTES // 6))


@pytest.fixture
async def rig(tmp_path: Path, serve: Serve) -> AsyncIterator[Rig]:
    async with box(tmp_path, serve) as rig:
        yield rig


@contextmanager
def _socket(host: str, box_port: int) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
        sending.setblocking(False)
        sending.bind((host, 0))
        sending.connect(("127.0.0.1", box_port))
        yield sending


async def _begin(box_port: int, host: str, bodies: int) -> Counter[aiocoap.Code]:
    """Send the first block of registrations from `host`; return how they were answered."""
    answers: Counter[aiocoap.Code] = Counter()
    with _socket(host, box_port) as sending:
        for i in range(bodies):
            first = aiocoap.Message(code=aiocoap.POST, payload=bytes(1024), content_format=40)
            first.opt.uri_path, first.opt.uri_query = ("rd",), (f"ep=one-{i}",)
            first.opt.block1 = (0, True, 6)
            first.mid, first.mtype, first.token = i, aiocoap.CON, b"t"
            sending.send(first.encode())
            async with asyncio.timeout(10):
                answer = await asyncio.get_running_loop().sock_recv(sending, 2048)
            answers[aiocoap.Message.decode(answer).code] += 1
    return answers


async def test_who_begins_and_does_not_end_fills_its_own_share_and_no_more(rig: Rig) -> None:
    answers = await _begin(rig.endpoint.port, "127.0.0.2", MAX_BODIES_OF_ONE + 3)
    assert answers == {aiocoap.CONTINUE: MAX_BODIES_OF_ONE, aiocoap.SERVICE_UNAVAILABLE: 3}
    async with peer() as device:
        await device.register(rig.endpoint.port, LINKS, name="honest")


async def test_a_crowd_that_begins_and_does_not_end_leaves_what_is_whole_alone(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    answers: Counter[aiocoap.Code] = Counter()
    for i in range(MAX_BODIES // MAX_BODIES_OF_ONE + 2):
        answers += await _begin(rig.endpoint.port, f"127.0.1.{i + 1}", MAX_BODIES_OF_ONE)
    assert answers == {
        aiocoap.CONTINUE: MAX_BODIES,
        aiocoap.SERVICE_UNAVAILABLE: 2 * MAX_BODIES_OF_ONE,
    }
    async with peer() as device:
        await device.register(rig.endpoint.port, "</3303/0/5700>;obs", name="honest")
    assert caplog.text.count("too many bodies are begun") == 1


async def test_a_body_that_has_ended_makes_room(rig: Rig) -> None:
    async with peer() as device:
        for i in range(MAX_BODIES_OF_ONE + 1):
            await device.register(rig.endpoint.port, LINKS, name=f"device-{i}")


async def test_a_block_that_leaves_a_gap_is_asked_for_from_the_beginning(rig: Rig) -> None:
    async with peer() as device:
        for number, code in ((0, aiocoap.CONTINUE), (2, aiocoap.REQUEST_ENTITY_INCOMPLETE)):
            block = aiocoap.Message(
                code=aiocoap.POST,
                uri=f"coap://127.0.0.1:{rig.endpoint.port}/rd?ep=gap",
                payload=bytes(64),
                content_format=40,
                block1=(number, True, 2),
            )
            assert (await device.once(block)).code == code


class Endless(resource.Resource):  # type: ignore[misc]  # aiocoap has no types
    """Always has one block more, up to `blocks`."""

    def __init__(self, blocks: int) -> None:
        super().__init__()
        self.asked = 0
        self._blocks = blocks

    async def needs_blockwise_assembly(self, request: aiocoap.Message) -> bool:
        del request
        return False

    async def render_get(self, request: aiocoap.Message) -> aiocoap.Message:
        self.asked += 1
        number = request.opt.block2.block_number if request.opt.block2 else 0
        return aiocoap.Message(payload=bytes(1024), block2=(number, number + 1 < self._blocks, 6))


@pytest.mark.parametrize(("blocks", "is_heard"), [(1, True), (40, True), (10**6, False)])
async def test_an_answer_of_many_blocks_is_put_together_and_one_without_end_is_not(
    blocks: int, is_heard: bool
) -> None:
    endless = Endless(blocks)
    async with peer({"core": endless}) as device, peer() as asking:
        question = aiocoap.Message(code=aiocoap.GET, uri=f"{device.url}/core")
        if is_heard:
            assert len((await ask(asking.context, question, 20)).payload) == blocks * 1024
            assert endless.asked == blocks
        else:
            with pytest.raises(LinkDownError, match="is longer than"):
                await ask(asking.context, question, 20)
            assert endless.asked == MAX_HEARD_BYTES // 1024


async def test_an_answer_that_begins_in_the_middle_is_none() -> None:
    class Middle(Endless):
        async def render_get(self, _request: aiocoap.Message) -> aiocoap.Message:
            return aiocoap.Message(payload=bytes(64), block2=(3, True, 2))

    async with peer({"core": Middle(9)}) as device, peer() as asking:
        with pytest.raises(LinkDownError, match="does not begin"):
            await ask(asking.context, aiocoap.Message(code=aiocoap.GET, uri=f"{device.url}/core"), 20)


async def _block(device: Peer, url: str, number: int) -> aiocoap.Message:
    return await device.once(aiocoap.Message(code=aiocoap.GET, uri=url, block2=(number, False, 6)))


async def test_answers_that_nobody_fetches_to_the_end_make_room_for_others() -> None:
    large = Large()
    async with peer({"large": large}) as box, peer() as one, peer(host="127.0.0.2") as other:
        for number in (0, 1):
            assert (await _block(other, f"{box.url}/large", number)).code == aiocoap.CONTENT
        for i in range(MAX_ANSWERS_OF_ONE + 1):
            assert (await _block(one, f"{box.url}/large?{i}", 0)).code == aiocoap.CONTENT
        # Its own oldest went, and nobody else's.
        assert (await _block(one, f"{box.url}/large?0", 1)).code == aiocoap.REQUEST_ENTITY_INCOMPLETE
        assert (await _block(one, f"{box.url}/large?1", 1)).code == aiocoap.CONTENT
        assert (await _block(other, f"{box.url}/large", 2)).code == aiocoap.CONTENT
        assert large.made == 1 + MAX_ANSWERS_OF_ONE + 1

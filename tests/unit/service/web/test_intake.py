"""The wait for an answer, as long as the caller is there."""

import asyncio

import pytest

from service.web.intake import CallerGone, while_caller_waits
from tests.unit.service.stories import run


def test_results_and_exceptions_reach_the_caller() -> None:
    async def story() -> None:
        gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        assert await while_caller_waits(asyncio.sleep(0, 7), gone) == 7
        failing: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        failing.set_exception(ZeroDivisionError())
        with pytest.raises(ZeroDivisionError):
            await while_caller_waits(failing, gone)

    run(story)


def test_the_work_is_cancelled_when_the_caller_hangs_up() -> None:
    async def story() -> None:
        gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        work = asyncio.create_task(asyncio.sleep(60))
        waiting = asyncio.create_task(while_caller_waits(work, gone))
        await asyncio.sleep(0)
        gone.set_result(None)
        with pytest.raises(CallerGone):
            await waiting
        await asyncio.wait([work])
        assert work.cancelled()

    run(story)

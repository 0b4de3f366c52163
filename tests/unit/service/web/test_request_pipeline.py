"""Cancellation of a request's work when its caller hangs up."""

import asyncio

import pytest

from service.web.request_pipeline import CallerGone, cancelled_on_hang_up
from tests.unit.service.coroutines import run_async


def test_passes_results_and_exceptions_on() -> None:
    async def story() -> None:
        hung_up: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        assert await cancelled_on_hang_up(asyncio.sleep(0, 7), hung_up) == 7
        failing: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        failing.set_exception(ZeroDivisionError())
        with pytest.raises(ZeroDivisionError):
            await cancelled_on_hang_up(failing, hung_up)

    run_async(story)


def test_cancels_the_work_when_the_caller_hangs_up() -> None:
    async def story() -> None:
        hung_up: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        work = asyncio.create_task(asyncio.sleep(60))
        waiting = asyncio.create_task(cancelled_on_hang_up(work, hung_up))
        await asyncio.sleep(0)
        hung_up.set_result(None)
        with pytest.raises(CallerGone):
            await waiting
        await asyncio.wait([work])
        assert work.cancelled()

    run_async(story)

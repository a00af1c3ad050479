"""Statements on the database of a test, past the store."""

from __future__ import annotations

from typing import Any

import asyncpg
import trio_asyncio


async def sql(url: str, *statements: str) -> Any:
    """Run statements; gives the rows of the last one."""

    async def in_asyncio() -> Any:
        connection = await asyncpg.connect(url)
        try:
            for statement in statements[:-1]:
                await connection.execute(statement)
            return await connection.fetch(statements[-1])
        finally:
            await connection.close()

    async with trio_asyncio.open_loop():
        return await trio_asyncio.aio_as_trio(in_asyncio)()

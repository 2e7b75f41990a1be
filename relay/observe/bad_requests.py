"""Requests that are no HTTP: the client is told, and the log is not."""

import logging

from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.log import server_logger


def keep_out_of_the_log() -> None:
    """Have aiohttp's listeners not log such requests.

    Each would be a traceback, at the level of errors, for whoever sends a byte too many; and it quotes the header or
    the address that could not be read, with the token, the cookie or the code in it.
    """
    server_logger.addFilter(_is_another_matter)


def _is_another_matter(record: logging.LogRecord) -> bool:
    return record.exc_info is None or not isinstance(record.exc_info[1], HttpProcessingError)

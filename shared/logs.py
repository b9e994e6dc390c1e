"""Structured logs: JSON for machines, text for people. No personal data: keys and ids only."""

import logging
import sys
from typing import TextIO

import structlog


def configure(service: str, level: str = "info", format: str = "json", file: TextIO | None = None) -> None:
    """Sets up structlog for the process, to stdout unless another `file` is given; libraries' errors go to stderr."""
    logging.basicConfig(stream=sys.stderr, level=logging.ERROR, format="%(name)s %(levelname)s %(message)s")
    render: list[structlog.typing.Processor] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
        if format == "json"
        else [structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)]
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(file or sys.stdout),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)

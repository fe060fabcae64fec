"""Traces (OpenTelemetry): where a request spent its time, across api, document workers, keepers and what is fetched.

Off unless `[tracing] endpoint` is set: then nothing of it is loaded, and `span` costs a comparison. Only the api exports.
Workers and keepers may not speak to anybody, so they get no exporter: the api measures each call, and what they say of
their own time (`told`) becomes a child span that the api records for them.

1. A request begins a trace, or goes on with its caller's (W3C Trace Context) where the caller's address is `trusted`.
2. Steps below it are spans; their context travels with the request from thread to thread (`contextvars`).
3. Attributes are those of `ALLOWED` with short plain values. Exceptions leave a code, never their text: that may quote a
   document.
4. Spans leave in batches by `api.fetch`, with its proxy, CAs and limits. What cannot be delivered is dropped.

>>> with span("worker prepare", kind="worker"):
...     pass
"""

from __future__ import annotations

import ipaddress
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from api.logs import Logger

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

    from api.settings import Tracing

ALLOWED = frozenset(
    {"kind", "module", "key", "host", "route", "method", "status", "code", "request", "job", "level", "format"}
)
"""Names of attributes; they are exported as `kyso.NAME`."""
_PLAIN = re.compile(r"[A-Za-z0-9_.:/@#{} -]{0,100}")
_TRACEPARENT = re.compile(rb"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
"""https://www.w3.org/TR/trace-context/#traceparent-header, version 00; `tracestate` is not taken over."""
LONGEST_DELAY = 2.0
"""Seconds that a span waits for others to leave with."""
BATCH = 256

_tracer: Any = None
_provider: Any = None
_trusted: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = ()
_NOTHING: AbstractContextManager[None] = nullcontext()
Post = Callable[[str, bytes, Sequence[tuple[str, str]]], bytes]
log = Logger()


def set_up(settings: Tracing, *, post: Post) -> None:
    """Begin to trace, if an endpoint is set; `post(url, body, headers)` delivers. Raises ImportError without the
    packages of `kyso[tracing]`."""
    global _tracer, _provider, _trusted  # noqa: PLW0603 - one for the process, as the loggers are
    if not settings.endpoint:
        return
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - only who traces pays for it
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased  # noqa: PLC0415

    # Resource() and not Resource.create(): nothing is read from the environment or the command line.
    _provider = TracerProvider(
        resource=Resource({"service.name": "kyso"}),
        sampler=ParentBased(TraceIdRatioBased(settings.sample)),
        shutdown_on_exit=False,
    )
    _provider.add_span_processor(
        BatchSpanProcessor(
            _exporter(settings.endpoint, post),
            max_queue_size=settings.queue,
            schedule_delay_millis=LONGEST_DELAY * 1000,
            max_export_batch_size=min(BATCH, settings.queue),
        )
    )
    _trusted = tuple(ipaddress.ip_network(one) for one in settings.trusted)
    _tracer = _provider.get_tracer("kyso")


def end() -> None:
    """Deliver what waits, and stop."""
    global _tracer, _provider, _trusted  # noqa: PLW0603
    _tracer = None
    _trusted = ()
    if _provider is not None:
        _provider.shutdown()
        _provider = None


def is_on() -> bool:
    return _tracer is not None


def span(name: str, **attributes: str | int) -> AbstractContextManager[Any]:
    """A step of what is going on; nothing where traces are off."""
    return _NOTHING if _tracer is None else _step(name, attributes)


@contextmanager
def _step(
    name: str, attributes: Mapping[str, str | int], *, context: Any = None, server: bool = False
) -> Iterator[Any]:
    from opentelemetry.trace import SpanKind, Status, StatusCode  # noqa: PLC0415

    with _tracer.start_as_current_span(
        name,
        context=context,
        kind=SpanKind.SERVER if server else SpanKind.INTERNAL,
        attributes=permitted(attributes),
        record_exception=False,
        set_status_on_exception=False,
    ) as made:
        try:
            yield made
        except Exception as error:
            made.set_attributes(permitted({"code": str(getattr(error, "code", "internal-error"))}))
            made.set_status(Status(StatusCode.ERROR))
            raise


def request(name: str, headers: Iterable[tuple[bytes, bytes]], *, client: str) -> AbstractContextManager[Any]:
    """The span of one HTTP request: a new trace, or the caller's."""
    return _NOTHING if _tracer is None else _step(name, {}, context=_parent(headers, client), server=True)


def said(made: Any, attributes: Mapping[str, str | int], *, name: str = "", is_error: bool = False) -> None:
    """What turned out about a request's span."""
    if made is None:
        return
    from opentelemetry.trace import Status, StatusCode  # noqa: PLC0415

    if name:
        made.update_name(name)
    made.set_attributes(permitted(attributes))
    if is_error:
        made.set_status(Status(StatusCode.ERROR))


def told(name: str, seconds: float, **attributes: str | int) -> None:
    """A child span for what another process said that it took: it ends now and has no children of its own."""
    if _tracer is None or seconds <= 0:
        return
    now = time.time_ns()
    made = _tracer.start_span(name, start_time=now - int(seconds * 1e9), attributes=permitted(attributes))
    made.end(end_time=now)


def trace_id() -> str | None:
    """Of the trace that is going on; for log lines."""
    if _tracer is None:
        return None
    from opentelemetry.trace import get_current_span  # noqa: PLC0415

    found = get_current_span().get_span_context()
    return f"{found.trace_id:032x}" if found.is_valid else None


def traceparent() -> str:
    """The header that names the current span, for messages to other processes; empty where traces are off."""
    if _tracer is None:
        return ""
    from opentelemetry.trace import get_current_span  # noqa: PLC0415

    found = get_current_span().get_span_context()
    return f"00-{found.trace_id:032x}-{found.span_id:016x}-{found.trace_flags:02x}" if found.is_valid else ""


def permitted(attributes: Mapping[str, str | int]) -> dict[str, str | int]:
    """What may be exported. A value that is not short and plain is left out, whatever its name."""
    return {
        f"kyso.{name}": value
        for name, value in attributes.items()
        if name in ALLOWED and (isinstance(value, int) or _PLAIN.fullmatch(value))
    }


def _parent(headers: Iterable[tuple[bytes, bytes]], client: str) -> Any:
    """The caller's context, from a trusted address and in the one form that we know; None begins a trace."""
    from opentelemetry.context import Context  # noqa: PLC0415
    from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context  # noqa: PLC0415

    given = [value for name, value in headers if name == b"traceparent"]
    found = _TRACEPARENT.fullmatch(given[0]) if len(given) == 1 and _is_trusted(client) else None
    if found is None:
        return Context()
    trace, parent, flags = (int(part, 16) for part in found.groups())
    if not trace or not parent:
        return Context()
    remote = SpanContext(trace, parent, is_remote=True, trace_flags=TraceFlags(flags & TraceFlags.SAMPLED))
    return set_span_in_context(NonRecordingSpan(remote), Context())


def _is_trusted(client: str) -> bool:
    try:
        address = ipaddress.ip_address(client)
    except ValueError:
        return False
    return any(address in network for network in _trusted if network.version == address.version)


def _exporter(endpoint: str, post: Post) -> Any:
    """OTLP over HTTP (opentelemetry-proto, `ExportTraceServiceRequest`), by our own fetches."""
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult  # noqa: PLC0415

    from verify.fetcher import FetchFailed  # noqa: PLC0415

    class Exporter(SpanExporter):
        told_at = -3600.0

        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            body = encode_spans(spans).SerializeToString()
            try:
                post(endpoint, body, [("Content-Type", "application/x-protobuf")])
            except FetchFailed as error:
                if time.monotonic() - self.told_at > 60:
                    self.told_at = time.monotonic()
                    log.warning("traces are not taken", reason=str(error.facts.get("reason", "")), spans=len(spans))
                return SpanExportResult.FAILURE
            return SpanExportResult.SUCCESS

    return Exporter()

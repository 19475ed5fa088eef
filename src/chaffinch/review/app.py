"""The web application: who may see the page, and what each address does."""

import secrets
from collections.abc import Awaitable, Callable
from typing import Annotated
from urllib.parse import parse_qsl, urlencode

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response

from chaffinch.core.errors import ChaffinchError, InputError
from chaffinch.pipeline.answers import CHECK
from chaffinch.review import page
from chaffinch.review.entry import SOURCE
from chaffinch.review.grid import View
from chaffinch.review.queue import Wish
from chaffinch.review.session import Session

Form = dict[str, str]

_LARGEST_FORM = 64 * 1024
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "media-src data:; connect-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
_USED = (
    "This address was used already: go on in the browser that opened it, or start "
    "'chaffinch review' again."
)
_TYPES = {".js": "text/javascript", ".css": "text/css"}


def make_app(session: Session, port: int, host: str = "127.0.0.1") -> FastAPI:
    """The application of a session.

    Three locks: the ``Host`` header must name this computer, so that no foreign name can be bent
    to point here; a cookie, which only the address printed at the start sets, and only once, keeps
    out others who work on the same computer; and whatever writes needs the token that stands in
    the page, which pages of other origins cannot read.

    Args:
        session: Who reviews what.
        port: On which it will be served.
        host: Name or address under which it will be served.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    _guard(app, session, {f"{name}:{port}" for name in names_of(host)}, port)
    _pages(app, session)
    _writes(app, session)

    @app.exception_handler(ChaffinchError)
    def refuse(_: Request, error: ChaffinchError) -> Response:
        return PlainTextResponse(str(error), 400)

    @app.exception_handler(HTTPException)
    def deny(_: Request, error: HTTPException) -> Response:
        return PlainTextResponse(str(error.detail), error.status_code)

    return app


def names_of(host: str) -> set[str]:
    """What a browser may call the computer in an address."""
    if host == "127.0.0.1":
        return {"127.0.0.1", "localhost"}
    return {f"[{host.lower()}]" if ":" in host else host.lower()}


def _guard(app: FastAPI, session: Session, hosts: set[str], port: int) -> None:
    cookie = f"chaffinch-review-{port}"

    @app.middleware("http")
    async def guard(
        request: Request, proceed: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        key = request.query_params.get("key")
        response: Response
        if request.headers.get("host", "").lower() not in hosts:
            response = PlainTextResponse("This page is only for the computer it runs on.", 400)
        elif _same(request.cookies.get(cookie, ""), session.cookie):
            # Away from an address with a key, so that none stands in it any more.
            response = await proceed(request) if key is None else RedirectResponse("/", 303)
        elif key is not None and request.method == "GET" and session.enter(key):
            response = RedirectResponse("/", 303)
            response.set_cookie(cookie, session.cookie, httponly=True, samesite="lax")
        elif key is not None and _same(key, session.key):
            response = PlainTextResponse(_USED, 403)
        else:
            response = PlainTextResponse("Open the address that 'chaffinch review' printed.", 403)
        response.headers.update(_HEADERS)
        return response


def _pages(app: FastAPI, session: Session) -> None:
    @app.get("/")
    def queue(request: Request, sample: int | None = None, after: int | None = None) -> Response:
        if not request.query_params and session.unchecked(session.decisions()):
            return RedirectResponse(f"/?section={CHECK}", 303)
        wish = Wish.read(dict(request.query_params))
        return _desk(request, session, wish, sample, after)

    @app.get("/grid")
    def groups(request: Request) -> Response:
        return _grid(request, session, View.read(dict(request.query_params)))

    @app.get("/disagreements")
    def disagreements() -> Response:
        return HTMLResponse(page.disagreements(session))

    @app.get("/static/{name}")
    def static(name: str) -> Response:
        content = page.static(name)
        if content is None:
            raise HTTPException(404)
        return Response(content, media_type=_TYPES[name[name.rindex(".") :]])


def _writes(app: FastAPI, session: Session) -> None:
    async def checked(request: Request) -> Form:
        """The form, of a page that this session has made."""
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > _LARGEST_FORM:
                raise HTTPException(413, "The form is too large.")
        pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
        fields = dict(pairs)
        fields["rows"] = " ".join(value for name, value in pairs if name == "rows")
        if not _same(fields.get("token", ""), session.token):
            raise HTTPException(403, "This page belongs to another session: open it again.")
        return fields

    @app.post("/decide")
    def decide(request: Request, form: Annotated[Form, Depends(checked)]) -> Response:
        wish, row = Wish.read(form), _number(form, "row")
        label = _label(session, form)
        source = CHECK if wish.section == CHECK else SOURCE
        made = session.decide(row, form.get("action", ""), label, form.get("reason", ""), source)
        after = None if session.learn_if_due() else row
        return _desk(request, session, wish, None, after, page.said(made))

    @app.post("/decide-all")
    def decide_all(request: Request, form: Annotated[Form, Depends(checked)]) -> Response:
        label, rows = _label(session, form), _rows(form)
        count = session.decide_all(rows, form.get("action", ""), label, form.get("reason", ""))
        session.learn_if_due()
        left = len(rows) - count
        said = f"{count:,} decided at once" + (f", {left:,} have no suggestion" if left else "")
        return _grid(request, session, View.read(form), f"{said}.")

    @app.post("/learn")
    def learn(request: Request, form: Annotated[Form, Depends(checked)]) -> Response:
        said = "Judged anew." if session.learn() else session.trouble
        return _desk(request, session, Wish.read(form), None, None, said)

    @app.post("/undo")
    def undo(request: Request, form: Annotated[Form, Depends(checked)]) -> Response:
        if form.get("page") == "grid":
            count = session.decided
            session.undo()
            back = count - session.decided
            said = f"{back:,} taken back." if back else "Nothing to take back."
            return _grid(request, session, View.read(form), said)
        wish, row = Wish.read(form), session.undo()
        if row is None:
            return _desk(
                request, session, wish, _number(form, "row", -1), None, "Nothing to take back."
            )
        return _desk(request, session, wish, row, None, "Taken back.")


def _desk(
    request: Request,
    session: Session,
    wish: Wish,
    sample: int | None,
    after: int | None,
    message: str = "",
) -> Response:
    """The desk alone where the page asks for it, else the whole page."""
    if sample is not None and sample < 0:
        sample = None
    if request.headers.get("hx-request") == "true":
        return HTMLResponse(page.desk(session, wish, sample, after, message))
    if request.method == "POST":  # without scripts: loading the page again must not decide again
        places = {"sample": sample, "after": after}
        query = {**wish.settings, **{k: str(v) for k, v in places.items() if v is not None}}
        return RedirectResponse(f"/?{urlencode(query)}", 303)
    return HTMLResponse(page.whole(session, wish, sample, after))


def _grid(request: Request, session: Session, view: View, message: str = "") -> Response:
    """The groups alone where the page asks for them, else the whole page."""
    if request.headers.get("hx-request") == "true":
        return HTMLResponse(page.part_grid(session, view, message))
    if request.method == "POST":
        return RedirectResponse(f"/grid?{urlencode(view.settings)}", 303)
    return HTMLResponse(page.whole_grid(session, view))


def _rows(form: Form) -> list[int]:
    try:
        return [int(one) for one in form.get("rows", "").split()]
    except ValueError as error:
        raise InputError(
            "whole numbers as rows", form["rows"][:40], "Load the page again"
        ) from error


def _same(given: str, wanted: str) -> bool:
    return secrets.compare_digest(given.encode("utf-8", "replace"), wanted.encode())


def _label(session: Session, form: Form) -> str | None:
    """The label that was named: a class by its code, of other labels the text of it."""
    if form.get("action") != "relabel":
        return None
    if session.form is not None:
        return form.get("label")
    code = _number(form, "code")
    return session.classes[code] if 0 <= code < len(session.classes) else None


def _number(form: Form, name: str, default: int | None = None) -> int:
    text = form.get(name, "")
    if not text and default is not None:
        return default
    try:
        return int(text)
    except ValueError as error:
        raise InputError(f"a whole number as {name}", repr(text), "Load the page again") from error

"""What is in the page when it arrives: faces and a walk, made once; its icon, title and picture."""

import base64
import hashlib
import io
import json
import re
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from huggingface_hub.constants import HF_HOME
from PIL import Image
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hf_gen.demo.latents import draw
from hf_gen.demo.models import ModelCache
from hf_gen.demo.sample import FIRST, OPENING, faces_of, film_of
from hf_gen.pipelines import WEIGHTS

TITLE = "hf_gen: faces that a network dreams up"
WORDS = "Faces that small networks dream up. Click one to change it, or drop your own."
_HERE = Path(__file__).parent
_PICTURE = "/opening.jpg"
_CARD = (1200, 630)
_SEEN = (("faces", "walls"), ("film", "walk"))
_SAVE = re.compile(r'<a class="save".*?</a>', re.DOTALL)
_SCRIPTS = re.compile(r"<script>.*?</script>", re.DOTALL)
_METAS = re.compile(r'\s*<meta\s+(?:property|name)="(?:og|twitter):[^>]*?/>', re.DOTALL)


def render(cache: ModelCache, folder: Path | None = None) -> dict[str, str]:
    """The HTML of the first samples and of their walk, and a picture of them as base64.

    They are read from a file in `folder`, by default in that of Hugging Face's caches, if they were
    made before by the same weights and code; else they are made, which takes some seconds.
    """
    if FIRST not in cache.names("VAEPipeline"):
        return {}
    folder = folder or Path(HF_HOME) / "hf_gen"
    file = folder / f"opening-{_digest()}.json"
    if file.is_file():
        try:
            return dict(json.loads(file.read_text(encoding="utf-8")))
        except ValueError:
            file.unlink(missing_ok=True)  # cut short
    pipeline = cache.get(FIRST, "VAEPipeline")
    faces = pipeline.decode(draw(pipeline, OPENING[1], OPENING[2])[0])
    made = {
        "faces": faces_of(cache, *OPENING),
        "film": film_of(cache, *OPENING),
        "picture": base64.b64encode(_card(faces)).decode(),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(made), encoding="utf-8")
    except OSError:
        pass  # a folder that cannot be written: they are made again at the next start
    return made


def _digest() -> str:
    """Of all that the opening is made from: the weights, and the text of the demo."""
    digest = hashlib.sha256()
    code = [*_HERE.glob("*.py"), *(_HERE.parent / "pipelines").glob("*.py")]
    for file in sorted([*code, *(WEIGHTS / FIRST).rglob("*.*")]):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _card(faces: list[Image.Image]) -> bytes:
    """The picture that is shown with a link to the page."""
    side = _CARD[0] // 6
    canvas = Image.new("RGB", _CARD, "#1e1b4b")
    for place, face in enumerate(faces[:12]):
        large = face.resize((side, side), Image.Resampling.BICUBIC)
        canvas.paste(large, (place % 6 * side, (_CARD[1] - 2 * side) // 2 + place // 6 * side))
    file = io.BytesIO()
    canvas.save(file, "JPEG", quality=88)
    return file.getvalue()


class Opening:
    """Middleware that completes the page that gradio serves, and serves its picture.

    Gradio draws a page by JavaScript alone: until then the faces of `render` are seen, as they will
    be in the page.

    Args:
        app: Gradio's.
        opening: From `render`.
    """

    def __init__(self, app: ASGIApp, opening: Mapping[str, str]) -> None:
        self._app = app
        self._picture = base64.b64decode(opening.get("picture", ""))
        style = (_HERE / "style.css").read_text(encoding="utf-8")
        script = (_HERE / "demo.js").read_text(encoding="utf-8")
        self._head = f"<style>{style}</style><script>{script}</script>"
        self._seen = ""
        if opening:
            seen = "".join(f'<div class="{kind}">{opening[part]}</div>' for part, kind in _SEEN)
            self._seen = f'<div class="seen">{_SAVE.sub("", seen)}</div>'

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        path = scope.get("path")
        if scope["type"] != "http" or path not in ("/", _PICTURE):
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        if path == _PICTURE:
            known = Response(self._picture, media_type="image/jpeg")
            await (known if self._picture else Response(status_code=404))(scope, receive, send)
            return
        start: list[Message] = []
        parts: list[bytes] = []

        async def collect(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.append(message)
                return
            parts.append(message.get("body", b""))
            if message.get("more_body"):
                return
            headers = MutableHeaders(scope=start[0])
            body = b"".join(parts)
            if headers.get("content-type", "").startswith("text/html") and body:
                body = self._complete(body.decode(), request).encode()
                headers["content-length"] = str(len(body))
            await send(start[0])
            await send({"type": "http.response.body", "body": body})

        await self._app(scope, receive, collect)

    def _complete(self, page: str, request: Request) -> str:
        scheme = request.headers.get("x-forwarded-proto", request.url.scheme).split(",")[0]
        address = f"{scheme}://{request.headers.get('host', request.url.netloc)}"
        metas: dict[str, Any] = {
            "og:title": TITLE,
            "og:description": WORDS,
            "og:type": "website",
            "og:url": f"{address}/",
            "og:image": f"{address}{_PICTURE}",
        }
        tags = "".join(
            f'<meta property="{name}" content="{escape(value)}" />'
            for name, value in metas.items()
            if self._picture or name != "og:image"
        )
        tags += '<meta name="twitter:card" content="summary_large_image" />'
        # Gradio's values, a megabyte, come after the faces: its modules run when all is there.
        head, _, body = page.partition("</head>")
        scripts = "".join(_SCRIPTS.findall(head))
        head = _METAS.sub("", _SCRIPTS.sub("", head))
        page = f"{head}{tags}{self._head}</head>{body}".replace("</body>", f"{scripts}</body>", 1)
        # A link to something else must not show these faces first.
        query = dict(parse_qsl(request.url.query))
        seen = self._seen if query.keys() <= {"__theme"} else ""
        theme = escape(query.get("__theme", ""))
        words = f"<h1>hf_gen</h1><p>{escape(WORDS)}</p>"
        poster = f'<div id="poster" class="{theme}" inert>{words}{seen}</div>'
        return page.replace("<gradio-app", f"{poster}<gradio-app", 1)


def icon() -> Path:
    """The icon of the page: a face."""
    return _HERE / "examples" / "anime-137.png"

"""The page and its parts, as files."""

import json
from importlib import resources
from pathlib import Path

from fastapi import FastAPI
from starlette.responses import FileResponse, Response

from sunhwan.messages import catalogue
from sunhwan.serve.refusals import RefusedError

FOLDER = Path(str(resources.files("sunhwan.serve"))) / "page"
KINDS = {
    ".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml",
    ".png": "image/png", ".json": "application/json", ".woff2": "font/woff2",
}  # fmt: skip


def add(app: FastAPI) -> None:
    """Give an application the addresses of the page."""

    @app.get("/", include_in_schema=False)
    async def index() -> Response:
        return _file(FOLDER, "index.html")

    @app.get("/page/catalogue.js", include_in_schema=False)
    async def sentences() -> Response:
        text = json.dumps(catalogue()["page"], ensure_ascii=False)
        return Response(f"export const CATALOGUE = {text};\n", media_type=KINDS[".js"])

    @app.get("/page/{name}", include_in_schema=False)
    async def part(name: str) -> Response:
        return _file(FOLDER, name)

    @app.get("/plotly.js", include_in_schema=False)
    async def plotly() -> Response:
        return _file(Path(str(resources.files("plotly"))) / "package_data", "plotly.min.js")


def _file(folder: Path, name: str) -> Response:
    """A file of a folder by its plain name; refused where there is none."""
    known = {path.name: path for path in folder.iterdir() if path.suffix in KINDS}
    if name not in known:
        raise RefusedError(404, "there is no such part of the page")
    return FileResponse(known[name], media_type=KINDS[known[name].suffix])

"""The endpoints, called by gradio's client and as tools of an MCP server."""

import asyncio
import base64
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client
from PIL import Image

import hf_gen
from hf_gen.demo import serving
from hf_gen.demo.models import ModelCache
from hf_gen.demo.page import build_page
from hf_gen.demo.pictures import enlarge
from hf_gen.demo.serving import serve
from hf_gen.demo.uploads import example_faces
from hf_gen.images import square
from hf_gen.pipelines import WEIGHTS
from tests.demo.conftest import Demo

FACE, OTHER = example_faces("anime")[:2]
ENDPOINTS = {
    "/reconstruct": ["image", "model"],
    "/sample": ["model", "count", "seed", "prior", "temperature"],
    "/interpolate": ["first", "second", "model", "steps", "method", "frozen_dims"],
    "/translate": ["image", "model", "direction"],
}


@pytest.fixture(scope="module")
def client(demo: Demo) -> Client:
    return Client(demo.url, verbose=False)


def image(path: str) -> bytes:
    return Image.open(path).convert("RGB").tobytes()


def test_the_endpoints_are_named_and_typed_and_their_defaults_are_the_best(client: Client) -> None:
    described = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert set(described) == set(ENDPOINTS)
    defaults = {
        name: {one["parameter_name"]: one["parameter_default"] for one in endpoint["parameters"]}
        for name, endpoint in described.items()
    }
    assert {defaults[name]["model"] for name in ENDPOINTS if name != "/translate"} == {"face-vae"}
    assert defaults["/translate"]["model"].startswith(("cyclegan", "runs/"))
    assert defaults["/sample"]["prior"] == "default"
    # No listener of the page is one.
    valid = {one.api_name for one in client.endpoints.values() if one.is_valid and one.api_name}
    assert valid <= set(ENDPOINTS)
    for name, endpoint in described.items():
        assert all(item["label"] and item["type"] for item in endpoint["parameters"])
        assert [item["parameter_name"] for item in endpoint["parameters"]] == ENDPOINTS[name]


def test_a_face_is_reconstructed(client: Client) -> None:
    made, measured = client.predict(handle_file(FACE), "conv-vae", api_name="/reconstruct")
    expected = hf_gen.load("conv-vae").reconstruct(Image.open(FACE))[0]
    assert image(made) == enlarge(expected).tobytes()
    assert set(measured) == {"psnr", "ssim", "bits_per_dimension", "milliseconds"}
    assert measured["psnr"] > 10


def test_the_same_seed_gives_the_same_samples(client: Client) -> None:
    first, again, other = (
        client.predict(
            "conv-vae", count=3, seed=seed, prior="mixture", temperature=0.8, api_name="/sample"
        )
        for seed in (1, 1, 2)
    )
    assert len(first) == 3
    assert [image(item["image"]) for item in first] == [image(item["image"]) for item in again]
    assert image(first[0]["image"]) != image(other[0]["image"])


def test_samples_are_from_the_default_prior_of_the_model(client: Client) -> None:
    pipeline = hf_gen.load("conv-vae")
    cases: list[tuple[dict[str, Any], Any]] = [
        ({}, None),
        ({"prior": None, "temperature": None}, None),
        ({"prior": "default"}, None),
        ({"prior": "gaussian"}, "gaussian"),
    ]
    for named, prior in cases:
        made = client.predict("conv-vae", count=2, seed=5, api_name="/sample", **named)
        generator = torch.Generator().manual_seed(5)
        expected = pipeline.sample(2, generator, "pil", prior)
        assert [image(item["image"]) for item in made] == [
            enlarge(face).tobytes() for face in expected
        ]


def test_an_interpolation_keeps_the_frozen_latents_that_a_model_has(client: Client) -> None:
    faces = handle_file(FACE), handle_file(OTHER)
    walk = client.predict(
        *faces,
        "conv-vae",
        steps=4,
        method="spherical",
        frozen_dims=[0, 3, 70],
        api_name="/interpolate",
    )
    expected = hf_gen.load("conv-vae").interpolate(
        Image.open(FACE), Image.open(OTHER), 4, "spherical", frozen_dims=[0, 3]
    )
    assert [image(item["image"]) for item in walk] == [enlarge(face).tobytes() for face in expected]


def test_a_face_is_translated_with_its_cycle_reconstruction(client: Client, demo: Demo) -> None:
    made, back, measured = client.predict(
        handle_file(FACE), "runs/lambda10", "b_to_a", api_name="/translate"
    )
    pipeline = hf_gen.load(demo.folder / "lambda10")
    face = square(Image.open(FACE).convert("RGB"), 32)
    expected = [faces[0] for faces in pipeline.cycle(face, "b_to_a")]
    assert [image(made), image(back)] == [enlarge(one).tobytes() for one in expected]
    error = np.asarray(face, np.float64) - np.asarray(expected[1], np.float64)
    assert measured["cycle_l1"] == pytest.approx(abs(error).mean() / 127.5, abs=1e-3)


@pytest.mark.parametrize(
    ("endpoint", "arguments", "words"),
    [
        ("/sample", ["none"], "There is no model 'none': choose one of"),
        ("/sample", ["conv-vae", 400], "count must be an integer from 1 to 36, got 400"),
        ("/sample", ["conv-vae", 4, -1], "seed must be an integer from 0"),
        ("/sample", ["conv-vae", 2.5], "count must be an integer from 1 to 36, got 2.5"),
        ("/sample", ["conv-vae", 4, 0, "standard", -2], "temperature must be from 0 to 100"),
        (
            "/sample",
            ["runs/lambda10"],
            "runs/lambda10 does not reconstruct and sample: choose one of face-vae",
        ),
        (
            "/translate",
            [handle_file(FACE), "conv-vae"],
            "conv-vae does not translate: choose one of cyclegan",
        ),
        ("/reconstruct", [handle_file(__file__), "conv-vae"], "not an image of a known format"),
        ("/reconstruct", [handle_file(FACE), ["conv-vae"]], "There is no model ['conv-vae']"),
        (
            "/sample",
            ["conv-vae", 1, 0, "x"],
            "no prior 'x': it has default, standard, gaussian, mixture",
        ),
        (
            "/translate",
            [handle_file(FACE), "runs/lambda10", "there"],
            "direction must be a_to_b (anime to cartoon) or b_to_a (cartoon to anime), got 'there'",
        ),
        (
            "/interpolate",
            [handle_file(FACE), handle_file(OTHER), "conv-vae", 3, "cubic"],
            "method must be linear or spherical, got 'cubic'",
        ),
        (
            "/interpolate",
            [handle_file(FACE), handle_file(OTHER), "conv-vae", 3, "linear", ["x"]],
            "frozen_dims must be integers of at least 0, got ['x']: try [0, 3]",
        ),
        (
            "/interpolate",
            [handle_file(FACE), handle_file(OTHER), "conv-vae", 3, "linear", "abc"],
            "frozen_dims must be integers of at least 0, got 'abc': try [0, 3]",
        ),
    ],
)
def test_an_invalid_request_is_a_clear_error(
    client: Client, demo: Demo, endpoint: str, arguments: list[Any], words: str
) -> None:
    with pytest.raises(AppError) as caught:
        client.predict(*arguments, api_name=endpoint)
    message = str(caught.value)
    assert words in message
    assert "Traceback" not in message
    assert str(demo.folder) not in message


def test_the_endpoints_are_tools(demo: Demo) -> None:
    async def call() -> tuple[dict[str, Any], list[Any]]:
        async with (
            streamablehttp_client(f"{demo.url}/gradio_api/mcp/") as (read, write, _),
            ClientSession(read, write) as session,
        ):
            await session.initialize()
            tools = (await session.list_tools()).tools
            described = {tool.name: tool for tool in tools}
            content = base64.b64encode(FACE.read_bytes()).decode()
            calls = {"sample": ["count"], "reconstruct": ["image"]}
            given: dict[str, Any] = {"count": 2} | {"image": f"data:image/png;base64,{content}"}
            results = []
            for ending, names in calls.items():
                name = next(name for name in described if name.endswith(ending))
                results.append(await session.call_tool(name, {one: given[one] for one in names}))
            return described, results

    described, (samples, reconstruction) = asyncio.run(call())
    assert {name.rpartition("_")[2] for name in described} == {name[1:] for name in ENDPOINTS}
    assert all(tool.description for tool in described.values())
    (sample,) = (tool for name, tool in described.items() if name.endswith("sample"))
    prior = sample.inputSchema["properties"]["prior"]
    assert "mixture or flow; default is the model's own." in str(prior)
    kinds = [[part.type for part in one.content] for one in (samples, reconstruction)]
    assert kinds == [["image", "text"] * 2, ["image", "text", "text"]], (samples, reconstruction)
    assert "psnr" in reconstruction.content[-1].text


def test_a_full_queue_is_reported_and_the_others_are_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))
    monkeypatch.setattr(serving, "MAX_QUEUE_SIZE", 1)
    cache = ModelCache({"conv-vae": WEIGHTS / "conv-vae"})
    may_load, get = threading.Event(), cache.get

    def slow(*arguments: Any) -> Any:
        assert may_load.wait(60)
        return get(*arguments)

    monkeypatch.setattr(cache, "get", slow)
    page = build_page(cache)
    try:
        client = Client(serve(page, wait=False), verbose=False)
        jobs = [client.submit("conv-vae", 1, api_name="/sample") for _ in range(8)]
        deadline = time.monotonic() + 60
        while not any(job.done() for job in jobs):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        may_load.set()
        outcomes = [job.exception(timeout=60) for job in jobs]
    finally:
        page.close()
    assert any(outcome is None for outcome in outcomes)
    assert any("queue is full" in str(outcome).lower() for outcome in outcomes if outcome)

"""Who can reach the page: by default this machine alone."""

import socket
from urllib.parse import urlsplit

import gradio as gr
import pytest

from hf_gen.demo.limits import MAX_SESSIONS
from hf_gen.demo.serving import serve


def _is_reached(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=5):
            return True
    except ConnectionRefusedError:
        return False


@pytest.mark.parametrize(("host", "by_others"), [(None, False), ("0.0.0.0", True)])
def test_only_this_machine_reaches_the_page_by_default(
    host: str | None, by_others: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GRADIO_SERVER_NAME", raising=False)
    # With this gradio shares a page by default, as it does in a Colab notebook.
    monkeypatch.setenv("GRADIO_SHARE", "True")
    shared: list[object] = []
    monkeypatch.setattr("gradio.networking.setup_tunnel", lambda *_, **__: shared.append(1) or "")
    with gr.Blocks(analytics_enabled=False) as page:
        gr.Markdown("hello")
    try:
        port = urlsplit(serve(page, wait=False, host=host)).port
        assert port is not None
        assert _is_reached("127.0.0.1", port)
        # Another address of this machine, as from the network.
        assert _is_reached("127.0.0.2", port) is by_others
        assert not page.share
        assert shared == []
        # One more visitor than the limit.
        for visitor in range(MAX_SESSIONS + 1):
            page.state_holder[str(visitor)]
        assert len(page.state_holder.session_data) == MAX_SESSIONS
    finally:
        page.close()

"""The whole state in the address: tab, face, edits, models and controls."""

import json
from collections.abc import Mapping
from typing import Any

import gradio as gr

from hf_gen.demo.inputs import labelled
from hf_gen.demo.limits import MAX_MODELS
from hf_gen.demo.models import Family, ModelCache
from hf_gen.demo.references import check, edits_of
from hf_gen.demo.requests import listen
from hf_gen.errors import UserError

Linked = Mapping[str, Any]
_REFERENCES = ("face", "to")
# What browsers and other sites append to an address.
_FOREIGN = ("__", "utm_", "fbclid", "gclid", "ref", "deep_link", "logs", "view")


def keep_address(linked: Linked, copy: gr.Button) -> None:
    """Writes every change into the address, and lets a button copy it."""
    names = json.dumps([*linked])
    defaults = json.dumps([_text(component.value) for component in linked.values()])
    changes = [component.change for component in linked.values()]
    inputs = [*linked.values()]
    listen(changes, None, inputs, None, js=f"(...v) => hfGen.address({names}, {defaults}, v)")
    copied = listen(copy.click, None, None, copy, js="() => hfGen.copy()")
    copied.then(None, None, copy, js="() => hfGen.afterCopy()", api_visibility="private")


def parse_link(
    query: Mapping[str, str], linked: Linked, families: Mapping[str, Family], cache: ModelCache
) -> tuple[list[Any], list[str]]:
    """Updates of the components from an address, and what of it is unknown.

    Args:
        query: The part of an address after "?".
        linked: Name in the address -> component; what the address leaves out gets its first value.
        families: Of the models that a component chooses: it also gets the current choices.
        cache: The models.
    """
    known = {*linked, "tab"}
    dropped = [name for name in query if name not in known and not name.startswith(_FOREIGN)]
    updates = []
    for name, component in linked.items():
        text = query.get(name)
        if name in families:
            choices = cache.names(families[name])
            chosen, unknown = _models(text, component, choices)
            many = isinstance(component, gr.CheckboxGroup)
            value: Any = chosen if many else next(iter(chosen), None)
            updates.append(gr.update(choices=labelled(choices), value=value))
            dropped += [f"{name}={one}" for one in unknown]
            continue
        try:
            updates.append(component.value if text is None else _value(name, text, component))
        except (ValueError, UserError):
            updates.append(component.value)
            dropped.append(f"{name}={text}")
    return updates, dropped


def _models(text: str | None, component: Any, names: list[str]) -> tuple[list[str], list[str]]:
    many = isinstance(component, gr.CheckboxGroup)
    first = component.value if many else [component.value]
    default = [name for name in first or [] if name in names] or names[:1]
    if text is None:
        return default, []
    wanted = [name for name in text.split(",") if name]
    chosen = [name for name in wanted if name in names][: MAX_MODELS if many else 1]
    if not wanted and many:
        return [], []
    return chosen or default, [name for name in wanted if name not in chosen]


def _value(name: str, text: str, component: Any) -> Any:
    """The value that a text has; raises an error if the component cannot have it."""
    if name in _REFERENCES:
        return check(text) if text else ""
    if name == "edits":
        edits_of(text)
    if name in ("edits", "tab"):  # the page checks its tabs
        return text
    if isinstance(component, gr.Radio | gr.Dropdown):
        if text not in [value for _, value in component.choices]:
            raise ValueError(text)
        return text
    value = float(text)
    if not component.minimum <= value <= component.maximum:
        raise ValueError(text)
    return int(value) if getattr(component, "precision", None) == 0 else value


def _text(value: Any) -> str:
    """As JavaScript writes it."""
    if isinstance(value, list):
        return ",".join(value)
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)

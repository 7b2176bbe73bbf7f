"""Links that restore the page: tab, models and controls in the address."""

import json
from collections.abc import Mapping
from typing import Any

import gradio as gr

from hf_gen.demo.limits import MAX_MODELS
from hf_gen.demo.models import Family, ModelCache
from hf_gen.demo.requests import listen

Linked = Mapping[str, gr.components.Component]
_COPY = """
(...values) => {
  const names = %s;
  const url = new URL(window.location.pathname, window.location.origin);
  const tab = document.querySelector('[role="tab"][aria-selected="true"]');
  if (tab) url.searchParams.set("tab", tab.textContent.trim().toLowerCase());
  names.forEach((name, place) => {
    const value = values[place];
    if (value !== null && value !== "") url.searchParams.set(name, [].concat(value).join(","));
  });
  window.history.replaceState(null, "", url);
  if (navigator.clipboard) navigator.clipboard.writeText(url.href).catch(() => {});
  return "Link copied";
}
"""


def on_copy_link(button: gr.Button, linked: Linked) -> None:
    """Lets a button copy the address that restores the page, and show it in the address bar."""
    listen(button.click, None, [*linked.values()], button, js=_COPY % json.dumps([*linked]))


def parse_link(
    query: Mapping[str, str], linked: Linked, families: Mapping[str, Family], cache: ModelCache
) -> list[Any]:
    """Updates of the components from an address; values that one cannot have are ignored.

    Args:
        query: The part of an address after "?".
        linked: Name in the address -> component.
        families: Of the models that a component chooses: it also gets the current choices.
        cache: The models.
    """
    return [
        _models(query.get(name), component, cache.names(families[name]))
        if name in families
        else _control(query.get(name), component)
        for name, component in linked.items()
    ]


def _models(text: str | None, component: Any, names: list[str]) -> Any:
    chosen = [name for name in (text or "").split(",") if name in names][:MAX_MODELS]
    default = [name for name in component.value or [] if name in names]
    if not chosen and default and default == component.value:
        return gr.CheckboxGroup(names)  # what a visitor has ticked in the meantime stays
    return gr.CheckboxGroup(names, value=chosen or default or names[:1])


def _control(text: str | None, component: Any) -> Any:
    if isinstance(component, gr.Radio):
        return text if text in [value for _, value in component.choices] else gr.skip()
    try:
        value = float(text or "")
    except ValueError:
        return gr.skip()
    if not component.minimum <= value <= component.maximum:
        return gr.skip()
    return int(value) if getattr(component, "precision", None) == 0 else value

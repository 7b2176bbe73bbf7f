"""Links that restore the page: tab, models and controls in the address."""

import json
from collections.abc import Mapping
from typing import Any

import gradio as gr

from hf_gen.demo.limits import MOST_MODELS
from hf_gen.demo.models import Family, ModelCache
from hf_gen.demo.requests import PRIVATE

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
    """Lets a button copy the address of the page as it is now, which also becomes its address.

    Args:
        button: To click on.
        linked: Name in the address -> what has the value.
    """
    button.click(None, [*linked.values()], button, js=_COPY % json.dumps([*linked]), **PRIVATE)


def parse_link(
    query: Mapping[str, str], linked: Linked, families: Mapping[str, Family], cache: ModelCache
) -> list[Any]:
    """What the values in an address make of the page; those that it cannot have are left out.

    Args:
        query: The part of an address after "?".
        linked: As for `on_copy_link`.
        families: Which of them choose models, and of which family: they get the choices of today.
        cache: Has the models.

    Returns:
        An update for each of `linked`.
    """
    return [
        _models(query.get(name), component, cache.names(families[name]))
        if name in families
        else _knob(query.get(name), component)
        for name, component in linked.items()
    ]


def _models(text: str | None, component: Any, names: list[str]) -> Any:
    asked = [name for name in (text or "").split(",") if name in names][:MOST_MODELS]
    kept = [name for name in component.value or [] if name in names]
    return gr.CheckboxGroup(names, value=asked or kept or names[:1])


def _knob(text: str | None, component: Any) -> Any:
    if text is None:
        return gr.skip()
    if isinstance(component, gr.Radio):
        values = [value for _, value in component.choices]
        return text if text in values else gr.skip()
    try:
        value = float(text)
    except ValueError:
        return gr.skip()
    is_whole = getattr(component, "precision", None) == 0
    within = component.minimum <= value <= component.maximum
    return (int(value) if is_whole else value) if within else gr.skip()

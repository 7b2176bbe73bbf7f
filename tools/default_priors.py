"""Chooses the default prior of the bundled autoencoders: `python -m tools.default_priors [NAMES]`.

On synthetic faces of the validation split. Only model_index.json and its hash in the manifest
change: the weights do not.
"""

import json
import sys

import torch
import tyro

from hf_gen.data.pixels import Pixels
from hf_gen.errors import UserError
from hf_gen.evaluation.factors import render_faces
from hf_gen.evaluation.prior import choose_prior
from hf_gen.faces import VALIDATION_START, face_at
from hf_gen.images import to_pixels
from hf_gen.pipelines import WEIGHTS, VAEPipeline, load
from hf_gen.pipelines.files import INDEX
from hf_gen.runs.atomic import atomic_write_text
from tools.ship import MANIFEST, hashes

_FACES = 250


def main(names: tyro.conf.Positional[tuple[str, ...]] = ()) -> None:
    """Choose the default prior and temperature of bundled autoencoders.

    Args:
        names: Which models. Default: all autoencoders.
    """
    entries = json.loads(MANIFEST.read_text("utf-8"))
    for name in names or entries:
        pipeline = load(name)
        if not isinstance(pipeline, VAEPipeline):
            continue
        faces = _validation_faces(pipeline.config.resolution)
        prior, temperature = choose_prior(pipeline, faces, count=_FACES)
        index = WEIGHTS / name / INDEX
        chosen = {"default_prior": prior, "default_temperature": temperature}
        content = json.loads(index.read_text("utf-8")) | chosen
        atomic_write_text(index, json.dumps(content, indent=2, sort_keys=True) + "\n")
        entries[name]["files"] = hashes(WEIGHTS / name)
        atomic_write_text(MANIFEST, json.dumps(entries, indent=2, ensure_ascii=False) + "\n")
        print(f"{name}: {prior} prior at temperature {temperature:g}", flush=True)


def _validation_faces(size: int) -> Pixels:
    faces = [face_at(VALIDATION_START + place) for place in range(_FACES)]
    rows = torch.from_numpy(to_pixels(render_faces(faces, "anime", size))).reshape(_FACES, -1)
    return Pixels(rows, torch.arange(_FACES), size)


if __name__ == "__main__":
    try:
        tyro.cli(main)
    except UserError as error:
        sys.exit(str(error))

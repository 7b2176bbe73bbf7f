"""A pipeline as a folder of ONNX files and a manifest, for runtimes without PyTorch.

Each file is run by ONNX Runtime and compared with PyTorch before the folder appears.
"""

import json
import logging
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.export import Dim

from hf_gen.errors import UserError
from hf_gen.export.about import About
from hf_gen.export.graphs import EXAMPLES, Graph, graphs_of
from hf_gen.export.manifest import Manifest, describe
from hf_gen.pipelines import TranslationPipeline, VAEPipeline
from hf_gen.runs.atomic import atomic_dir, atomic_write_text

if TYPE_CHECKING:
    import onnx

WeightsDType = Literal["float16", "float32"]
BOUNDS: dict[WeightsDType, float] = {"float16": 0.02, "float32": 1e-4}
"""Of the largest difference from PyTorch; relative, for outputs of more than 1."""
_AXES = ("batch", "channels", "height", "width")
_RANGES = {"images": [-1, 1], "translations": [-1, 1], "uniform": [0, 1]}
_FEWEST = 256  # numbers of a tensor that is worth a cast


def export_onnx(
    pipeline: VAEPipeline | TranslationPipeline,
    output_dir: Path,
    dtype: WeightsDType = "float16",
    about: About | None = None,
) -> Manifest:
    """Exports the networks of a pipeline as ONNX, with a manifest.

    Args:
        pipeline: On the CPU and in float32. An autoencoder becomes encoder.onnx, decoder.onnx and
            prior.onnx, from noise and a uniform number to latents of its default prior; a
            translation a_to_b.onnx and b_to_a.onnx.
        output_dir: A new or an empty folder.
        dtype: Of the weights in the files; inputs, outputs and arithmetic are float32.
        about: What the manifest says of the model. Default: its name is that of the folder.

    Returns:
        What manifest.json holds.

    Raises:
        UserError: If the extra `export` is not installed, the folder is not empty, or ONNX Runtime
            computes something else than PyTorch.
    """
    check_installed()
    with suppress(OSError):
        output_dir.rmdir()  # if it is empty
    manifest = describe(pipeline, about or About(output_dir.name), dtype)
    with atomic_dir(output_dir) as folder, _quiet(), torch.no_grad():
        for name, graph in graphs_of(pipeline).items():
            model = _to_onnx(graph)
            if dtype == "float16":
                _halve_weights(model)
            content = model.SerializeToString()
            (folder / f"{name}.onnx").write_bytes(content)
            difference = _difference(graph, content)
            if not difference <= BOUNDS[dtype]:  # nor NaN
                remedy = "try --dtype float32" if dtype == "float16" else "try another onnxruntime"
                raise UserError(
                    f"{name}.onnx with {dtype} weights differs from PyTorch by {difference:.2g}, "
                    f"and {BOUNDS[dtype]:g} is the limit: {remedy}"
                )
            shown = graph.size_multiple, manifest.get("kl_weight")
            manifest["graphs"][name] = {
                "file": f"{name}.onnx",
                "bytes": len(content),
                "largest_difference": difference,
                "inputs": _described(model.graph.input, *shown),
                "outputs": _described(model.graph.output, *shown),
            }
        atomic_write_text(folder / "manifest.json", json.dumps(manifest, allow_nan=False) + "\n")
    return manifest


def _described(
    values: Any, size_multiple: int | None, kl_weights: dict[str, float] | None
) -> dict[str, Any]:
    """Shape, dtype and range of each input or output, by its name."""
    ranges = _RANGES | (
        {"kl_weight": [kl_weights["low"], kl_weights["high"]]} if kl_weights else {}
    )
    return {
        value.name: {
            "shape": [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim],
            "dtype": "float32",
            "range": ranges.get(value.name),
        }
        | ({"size_multiple": size_multiple} if size_multiple else {})
        for value in values
    }


def _to_onnx(graph: Graph) -> "onnx.ModelProto":
    axes: dict[int, Any] = {0: Dim("batch")}
    if factor := graph.size_multiple:
        fewest = max(2, -(-4 // factor))  # reflection padding takes its pixels from inside
        axes |= {axis: factor * Dim(f"side_{axis}", min=fewest) for axis in (2, 3)}
    program = torch.onnx.export(
        graph.network,
        tuple(graph.inputs.values()),
        dynamo=True,
        dynamic_shapes=dict.fromkeys(graph.inputs, axes),
        input_names=list(graph.inputs),
        output_names=list(graph.outputs),
        verbose=False,
    )
    assert program is not None
    model = program.model_proto
    # The lines of source that the exporter notes name folders of this machine.
    values = (*model.graph.input, *model.graph.output)
    for part in (model, model.graph, *model.graph.node, *values):
        part.ClearField("metadata_props")
    for value in values:
        for axis, dim in enumerate(value.type.tensor_type.shape.dim):
            if dim.dim_param:
                dim.dim_param = _AXES[axis]  # not 4*side_2
    model.graph.ClearField("value_info")
    return model


def _halve_weights(model: "onnx.ModelProto") -> None:
    """Stores large weights in half precision, each cast to float32 before it is used."""
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for weight in model.graph.initializer:
        if weight.data_type != TensorProto.FLOAT or math.prod(weight.dims) < _FEWEST:
            continue
        name, half = weight.name, numpy_helper.to_array(weight).astype(np.float16)
        weight.CopyFrom(numpy_helper.from_array(half, f"{name}.half"))
        casts.append(helper.make_node("Cast", [weight.name], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    model.graph.ClearField("node")
    model.graph.node.extend(nodes)


def _difference(graph: Graph, content: bytes) -> float:
    """The largest difference of ONNX Runtime's results from PyTorch's, for 1 and 3 inputs."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(content, options, ["CPUExecutionProvider"])
    differences = []
    for count in (1, 3):
        rows = [row % EXAMPLES for row in range(count)]
        inputs = {name: example[rows] for name, example in graph.inputs.items()}
        if graph.size_multiple:
            wider = nn.functional.pad(inputs["images"], (0, graph.size_multiple * count, 0, 0))
            inputs = {"images": wider}
        expected = graph.network(**inputs)
        expected = (expected,) if isinstance(expected, Tensor) else expected
        arrays = {name: value.numpy() for name, value in inputs.items()}
        for made, value in zip(session.run(None, arrays), expected, strict=True):
            scale = value.abs().max().clamp(min=1)
            differences.append(float((torch.from_numpy(made) - value).abs().max() / scale))
    return float(np.max(differences))  # NaN if one is


def check_installed() -> None:
    """Raises a UserError if the extra `export` is not installed."""
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ModuleNotFoundError as error:
        raise UserError(
            f"an export needs {error.name}, which is not installed: pip install 'hf_gen[export]'"
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's notes on torchvision, on its optimiser and on deprecations."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)

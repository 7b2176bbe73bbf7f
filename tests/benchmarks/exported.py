"""Whether exported networks respond faster: `python -m tests.benchmarks.exported`.

Needs `pip install onnx onnxruntime openvino`, which nothing else here does. Processor time of one
thread in this process, in turn: what other work the machine has matters less to it.
"""

import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from hf_gen.pipelines import load
from tests.benchmarks.inference import MODELS

_TURNS = 15
_DIFFERENCE = 1e-3


class _Plain(nn.Module):
    """The networks of a task as one: an image in, an image out."""

    def __init__(self, task: str) -> None:
        super().__init__()
        pipeline = load(MODELS[task])
        self.network = pipeline.vae if task == "reconstruct" else pipeline.a_to_b

    def forward(self, images: Tensor) -> Tensor:
        if not hasattr(self.network, "encode"):
            return self.network(images, return_dict=False)[0]
        (posterior,) = self.network.encode(images, return_dict=False)
        return self.network.decode(posterior.mode(), return_dict=False)[0]


def contenders(task: str, folder: Path) -> tuple[int, dict[str, Callable[[Tensor], Tensor]]]:
    """The size of an image, and functions from images to images."""
    import onnxruntime
    import openvino

    pipeline, plain = load(MODELS[task]), _Plain(task)
    pipeline.set_progress_bar_config(disable=True)
    size, file = pipeline.config.resolution, str(folder / f"{task}.onnx")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            plain,
            (torch.zeros(2, 3, size, size),),
            file,
            input_names=["images"],
            dynamic_axes={"images": {0: "batch"}},
            dynamo=False,
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    compiled = openvino.Core().compile_model(
        file, "CPU", {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    )
    return size, {
        "plain": plain,
        "hf_gen": lambda images: getattr(pipeline, task)(images, output_type="pt"),
        "ONNX Runtime": lambda x: torch.from_numpy(session.run(None, {"images": x.numpy()})[0]),
        "OpenVINO": lambda x: torch.from_numpy(compiled(x.numpy())[0]),
    }


def main() -> None:
    """Prints a table of milliseconds, the shortest of several turns."""
    torch.set_num_threads(1)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for task in MODELS:
            size, functions = contenders(task, Path(folder))
            for batch in (1, 64):
                images = torch.rand(batch, 3, size, size) * 2 - 1
                expected = functions["plain"](images).detach()
                shortest = dict.fromkeys(functions, float("inf"))
                for _ in range(_TURNS):
                    for name, function in functions.items():
                        began = time.process_time()
                        made = function(images)
                        shortest[name] = min(shortest[name], time.process_time() - began)
                        assert (made - expected).abs().max() < _DIFFERENCE, name
                times = " | ".join(f"{1e3 * seconds:,.1f}" for seconds in shortest.values())
                rows.append(f"| {task} {batch} | {times} |")
    print("\n".join((f"| milliseconds | {' | '.join(shortest)} |", "|---" * 5 + "|", *rows)))


if __name__ == "__main__":
    main()

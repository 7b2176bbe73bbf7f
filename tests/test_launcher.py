"""What `accelerate launch` chooses is honoured, or raises a clear error."""

import pytest

from hf_gen.errors import UserError
from train_accelerate import parse


@pytest.mark.parametrize("precision", ["no", "fp16", "bf16"])
def test_the_launchers_precision_is_that_of_the_run(
    precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", precision)
    assert parse(["conv-vae"])[1].optimisation.mixed_precision == precision
    flagged = parse(["conv-vae", "--mixed-precision", "bf16"])[1]
    assert flagged.optimisation.mixed_precision == "bf16"


@pytest.mark.parametrize(
    ("variable", "value", "error"),
    [
        ("MIXED_PRECISION", "fp8", "must be no, fp16 or bf16, got fp8 of the launcher"),
        ("GRADIENT_ACCUMULATION_STEPS", "4", "set --gradient-accumulation-steps here"),
        ("DYNAMO_BACKEND", "INDUCTOR", "set --torch-compile on here"),
        ("USE_FSDP", "true", "launch it with --multi_gpu"),
        ("USE_DEEPSPEED", "true", "launch it with --multi_gpu"),
    ],
)
def test_what_training_does_not_do_raises(
    variable: str, value: str, error: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"ACCELERATE_{variable}", value)
    with pytest.raises(UserError, match=error):
        parse(["cyclegan"])


def test_a_pretrained_model_brings_its_architecture() -> None:
    pretrained = ["cyclegan", "--pretrained-model-name-or-path", "cyclegan"]
    parse([*pretrained, "--discriminator-channels", "8"])
    with pytest.raises(UserError, match="leave out generator_channels, or --pretrained"):
        parse([*pretrained, "--generator-channels", "8"])

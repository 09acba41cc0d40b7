"""Model API's wrappers, used for what they know of outputs: no inference, no preprocessing."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import openvino as ov
from model_api.adapters.openvino_adapter import OpenvinoAdapter
from model_api.models import Model
from model_api.models.model import WrapperError
from model_api.models.parameters import ParameterRegistry

from jobs.errors import UnsupportedModel
from jobs.image_input import ImageInput
from jobs.predictions import Array

_YES_OR_NO = {"true": "True", "false": "False"}
"""Model API takes any other spelling for no."""
_OURS = ("labels_given", "unknown_classes")
"""Settings that Model API does not know."""


_merge = ParameterRegistry.merge


def _merge_copies(*groups: dict[str, Any]) -> dict[str, Any]:
    """In place of `ParameterRegistry.merge`: a wrapper with defaults of its own changes those of all others, so that
    one was read otherwise when another kind had been looked at before it."""
    return copy.deepcopy(_merge(*groups))


ParameterRegistry.merge = staticmethod(_merge_copies)


class _Graph(OpenvinoAdapter):  # type: ignore[misc]
    """What a wrapper asks of a model, without compiling it or putting anything into it."""

    def __init__(self, model: ov.Model) -> None:
        self.model = model
        self.device = "CPU"
        self.model_parameters: dict[str, Any] = {"input_layouts": {}}
        self.is_onnx_file = False

    def embed_preprocessing(self, *_: object, **__: object) -> None:
        """The image is prepared by `jobs.image_input` instead."""

    def load_model(self) -> None:
        """Nobody infers here."""


class Wrapper:
    """A wrapper of Model API for a model whose images are prepared by `entry`."""

    def __init__(self, model: ov.Model, entry: ImageInput, settings: Mapping[str, str], model_type: str) -> None:
        """`settings` are Model API's parameters as text. Raises UnsupportedModel, BadOption."""
        graph = entry.fix_shape(model)
        graph.inputs[entry.index].get_node().set_layout(ov.Layout(entry.layout))
        for name, value in settings.items():
            if name not in _OURS:
                graph.set_rt_info(_YES_OR_NO.get(value.strip().lower(), value), ["model_info", name])
        for number, port in enumerate(graph.outputs):
            if not port.names:
                port.set_names({f"output{number}"})
        try:
            self.model = Model.get_model_class(model_type)(_Graph(graph), {}, preload=False)
        except _WRONG as error:
            raise _other_kind(model_type, error) from error
        self._type = model_type
        self.names: tuple[str, ...] = tuple(port.any_name for port in graph.outputs)
        """Of the outputs, in their order."""

    def read(self, outputs: Mapping[str, Array], size: Sequence[int]) -> Any:
        """Outputs by name for one image of this height and width to a result of Model API. Raises UnsupportedModel."""
        height, width = size
        model = self.model
        meta = {
            "original_shape": (height, width, model.c),
            "resized_shape": (model.w, model.h, model.c),
            "scale": min(model.w / width, model.h / height),  # of YOLOX, which asks for nothing else
        }
        _, meta = model.preprocess({}, meta)
        try:
            return model.postprocess(dict(outputs), meta)
        except _WRONG as error:
            raise _other_kind(self._type, error) from error


_WRONG = (WrapperError, ValueError, RuntimeError, KeyError, IndexError, TypeError, AssertionError)
"""What Model API raises on outputs of another kind of model, when it is made or when it reads them."""


def _other_kind(model_type: str, error: Exception) -> UnsupportedModel:
    return UnsupportedModel(
        f"The outputs are not those of a {model_type} model: {error}",
        hint="Choose another kind of model in the model's settings.",
        where="model_type",
    )

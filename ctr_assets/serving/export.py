"""A Wide & Deep model and its vocabularies as one ONNX graph: raw strings in, click probabilities out.

The graph needs no code of this project. Each raw column is looked up once, and gives a *code*. Where the column is a
feature of its own, the code of a value is its id; a value that occurs in crosses only has a number beyond the ids. A
cross is found by the pair of its columns' codes. Only ids that the model has learnt are in the graph: any other value
is unknown.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper

from ctr_assets import __version__
from ctr_assets.crosses import pair_of
from ctr_assets.features import FEATURE_BY_NAME, HOUR_COLUMN, HOUR_OF_DAY, RAW_COLUMNS, UNKNOWN_ID
from ctr_assets.serving.session import PROBABILITY, UNKNOWN
from ctr_assets.training.layout import Layout

OPSET: Final = 20
"""Of ONNX's own operators; 20 is the first with RegexFullMatch."""
ML_OPSET: Final = 3
"""Of ai.onnx.ml, for LabelEncoder."""
IR_VERSION: Final = 9
"""Of the file format; onnxruntime reads it from 1.17 on, the first release that has the operators."""
LARGEST_BYTES: Final = 2**31 - 1
"""A protobuf message, so an ONNX file, cannot be larger."""
_HOUR: Final = "[0-9]{6}([01][0-9]|2[0-3])"
"""An hour as it is delivered, YYMMDDHH; another text's hour of day is unknown."""


class ExportError(ValueError):
    """The model cannot be written as one file; the message says why."""


def input_columns(layout: Layout) -> tuple[str, ...]:
    """The raw columns that a model reads, in the order of a delivery."""
    read = {column for name in layout.features for column in FEATURE_BY_NAME[name].columns}
    names = {HOUR_COLUMN if column == HOUR_OF_DAY else column for column in read}
    return tuple(column for column in RAW_COLUMNS if column in names)


def export(
    weights: Mapping[str, npt.NDArray[np.float32]],
    layout: Layout,
    vocabulary: Mapping[str, Sequence[str]],
    metadata: Mapping[str, str],
) -> onnx.ModelProto:
    """The graph of a model.

    Inputs are :func:`input_columns`, strings of shape ``[N]``. Outputs are ``click_probability``, float32 ``[N]``, and
    ``is_unknown``, bool ``[N, features]`` in the order of the layout: it costs nothing unless it is asked for.

    Args:
        weights: ``WideDeep.state_dict()`` as arrays.
        layout: the model's.
        vocabulary: the values of each feature of the layout in the order of their ids, from 1.
        metadata: kept in the file, for whoever uses it.

    Raises:
        ExportError: a weight is of a part that this graph lacks, a value is missing, or the file would be too large.
    """
    known = {
        name: _known(name, vocabulary[name], size) for name, size in zip(layout.features, layout.sizes, strict=True)
    }
    graph, left = _Graph(), dict(weights)
    ids = _find_ids(graph, known)
    logit = _logits(graph, left, layout, ids)
    if left:
        raise ExportError(f"the export lacks parts of the model: {', '.join(sorted(left))} have no place in the graph")
    graph.add("Sigmoid", [logit], output=PROBABILITY)
    unknown = [
        graph.add("Equal", [ids[name], graph.constant(np.array(UNKNOWN_ID, np.int64))]) for name in layout.features
    ]
    columns = [graph.add("Unsqueeze", [each, graph.constant(np.array([1], np.int64))]) for each in unknown]
    graph.add("Concat", columns, output=UNKNOWN, axis=1)
    model = graph.model(input_columns(layout), len(layout.features), metadata)
    if model.ByteSize() > LARGEST_BYTES:
        raise ExportError(
            f"the file would be {model.ByteSize():,} bytes, and ONNX ends at {LARGEST_BYTES:,}: raise min_count of the "
            "features with the most values"
        )
    return model


class _Graph:
    """Nodes and constants as they are added; every name is made here."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[bytes, onnx.TensorProto] = {}

    def add(self, operator: str, inputs: Iterable[str], *, output: str = "", **attributes: Any) -> str:
        output = output or f"{operator}_{len(self.nodes)}"
        domain = "ai.onnx.ml" if operator == "LabelEncoder" else ""
        self.nodes.append(helper.make_node(operator, list(inputs), [output], domain=domain, **attributes))
        return output

    def constant(self, values: npt.NDArray[Any]) -> str:
        tensor = onnx.numpy_helper.from_array(np.ascontiguousarray(values))
        key = tensor.SerializeToString()
        if key not in self.constants:
            tensor.name = f"constant_{len(self.constants)}"
            self.constants[key] = tensor
        return self.constants[key].name

    def model(self, inputs: Sequence[str], features: int, metadata: Mapping[str, str]) -> onnx.ModelProto:
        takes = [helper.make_tensor_value_info(name, TensorProto.STRING, ["N"], RAW_COLUMNS[name]) for name in inputs]
        gives = [
            helper.make_tensor_value_info(PROBABILITY, TensorProto.FLOAT, ["N"], "Probability of a click"),
            helper.make_tensor_value_info(UNKNOWN, TensorProto.BOOL, ["N", features], "Values never learnt"),
        ]
        graph = helper.make_graph(self.nodes, "wide_deep", takes, gives, list(self.constants.values()))
        model = helper.make_model(
            graph,
            producer_name="ctr_assets",
            producer_version=__version__,
            opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)],
            ir_version=IR_VERSION,
        )
        helper.set_model_props(model, dict(metadata))
        return model


def _known(name: str, values: Sequence[str], size: int) -> Sequence[str]:
    if len(values) < size:
        raise ExportError(f"the vocabulary holds {len(values):,} values of {name}, the model has learnt {size:,}")
    return values[:size]


def _find_ids(graph: _Graph, known: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """For each feature the name of its ids, int64 ``[N]``."""
    pairs = {
        name: [pair_of(value) for value in values] for name, values in known.items() if FEATURE_BY_NAME[name].is_cross
    }
    codes: dict[str, dict[str, int]] = {}
    for name, values in known.items():
        if name not in pairs:
            codes[name] = {value: id for id, value in enumerate(values, 1)}
    for name, both in pairs.items():
        for position, column in enumerate(FEATURE_BY_NAME[name].columns):
            of_column = codes.setdefault(column, {})
            for pair in both:
                of_column.setdefault(pair[position], len(of_column) + 1)
    coded = {column: _code(graph, column, of_column) for column, of_column in codes.items()}
    ids: dict[str, str] = {}
    for name, values in known.items():
        if name in pairs:
            first, second = FEATURE_BY_NAME[name].columns
            base = len(codes[second]) + 1
            keys = [codes[first][a] * base + codes[second][b] for a, b in pairs[name]]
            scaled = graph.add("Mul", [coded[first], graph.constant(np.array(base, np.int64))])
            pair_code = graph.add("Add", [scaled, coded[second]])
            ids[name] = _encode(graph, pair_code, range(1, len(keys) + 1), keys_int64s=keys)
        elif len(codes[name]) > len(values):
            is_id = graph.add("LessOrEqual", [coded[name], graph.constant(np.array(len(values), np.int64))])
            ids[name] = graph.add("Where", [is_id, coded[name], graph.constant(np.array(UNKNOWN_ID, np.int64))])
        else:
            ids[name] = coded[name]
    return ids


def _code(graph: _Graph, column: str, codes: Mapping[str, int]) -> str:
    """The codes of a column's values, int64 ``[N]``; 0 for a value that has none."""
    if column != HOUR_OF_DAY:
        return _encode(graph, column, codes.values(), keys_strings=list(codes))
    is_hour = graph.add("RegexFullMatch", [HOUR_COLUMN], pattern=_HOUR)
    digits = graph.add("Where", [is_hour, HOUR_COLUMN, graph.constant(np.array("99", object))])  # 99 is no hour either
    whole = graph.add("Cast", [digits], to=TensorProto.INT64)
    hour = graph.add("Mod", [whole, graph.constant(np.array(100, np.int64))])
    return _encode(graph, hour, codes.values(), keys_int64s=[int(value) for value in codes])


_KEYS_OF_NOTHING: Final[dict[str, list[Any]]] = {"keys_strings": [""], "keys_int64s": [0]}
"""A LabelEncoder needs a key. Where no value was learnt it has one, which is as unknown as all others."""


def _encode(graph: _Graph, values: str, ids: Iterable[int], **keys: list[Any]) -> str:
    """The id of each value that is a key, of ``keys_strings`` or ``keys_int64s``; the unknown id of any other."""
    numbers = list(ids)
    if not numbers:
        numbers, keys = [UNKNOWN_ID], {name: _KEYS_OF_NOTHING[name] for name in keys}
    attributes: dict[str, Any] = {**keys, "values_int64s": numbers, "default_int64": UNKNOWN_ID}
    return graph.add("LabelEncoder", [values], **attributes)


def _logits(graph: _Graph, weights: dict[str, npt.NDArray[np.float32]], layout: Layout, ids: Mapping[str, str]) -> str:
    """bias + sum of wide weights + perceptron(embeddings), see :class:`~ctr_assets.training.model.WideDeep`.

    Takes out of ``weights`` what it has put into the graph.
    """
    wide: list[str] = []
    embedded: list[str] = []
    for index, table in enumerate(layout.tables):
        names = layout.features[table.first : table.end]
        ends = np.cumsum([size + 1 for size in layout.sizes[table.first : table.end]])[:-1]
        for name, rows in zip(names, np.split(weights.pop(f"tables.{index}.weight"), ends), strict=True):
            if table is layout.wide:
                wide.append(graph.add("Gather", [graph.constant(rows[:, 0]), ids[name]]))
            else:
                embedded.append(graph.add("Gather", [graph.constant(rows), ids[name]]))
    hidden, layer = graph.add("Concat", embedded, axis=1), 0
    while f"layers.{layer}.weight" in weights:
        if layer:
            hidden = graph.add("Relu", [hidden])
        terms = [weights.pop(f"layers.{layer}.{term}", None) for term in ("weight", "bias")]
        hidden = graph.add("Gemm", [hidden, *(graph.constant(t) for t in terms if t is not None)], transB=1)
        layer += 1
    deep = graph.add("Squeeze", [hidden, graph.constant(np.array([1], np.int64))])
    return graph.add("Sum", [deep, *wide, graph.constant(weights.pop("bias"))])

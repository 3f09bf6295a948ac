"""The graph as ONNX Runtime's CPU kernels want it: equal numbers, fewer passes over memory.

Everything here is exact up to the order of float32 sums. Tensors that remain keep their names, so
that ranges measured on the graph as traced hold for the rewritten one.
"""

from __future__ import annotations

import copy
import logging

import onnx
from onnx import helper

from lunar_export.graph import weights
from lunar_export.graph.graph_edit import GraphEdit, attribute
from lunar_export.graph.opset import MICROSOFT
from lunar_export.lowering.projections import fold_gains, split_projections
from lunar_export.lowering.rewrite_attention import fuse_attention

_log = logging.getLogger(__name__)


def rewrite_for_cpu(model: onnx.ModelProto) -> None:
    """Rewrite a traced and simplified graph in place; it then runs in ONNX Runtime alone."""
    edit = GraphEdit(model)
    gains = fold_gains(edit)
    split = split_projections(edit)
    attentions = fuse_attention(edit)
    norms = fuse_skip_norms(edit)
    edit.finish()
    weights.merge_equal(model)
    if all(opset.domain != MICROSOFT for opset in model.opset_import):
        model.opset_import.append(helper.make_opsetid(MICROSOFT, 1))
    _log.debug(
        "for the CPU: %d gains folded, %d projections split, %d attentions and %d norms fused",
        *(gains, split, attentions, norms),
    )


def rewritten_for_cpu(model: onnx.ModelProto) -> onnx.ModelProto:
    """A rewritten copy."""
    changed = copy.deepcopy(model)
    rewrite_for_cpu(changed)
    return changed


def fuse_skip_norms(edit: GraphEdit) -> int:
    """Add a block's output, its bias and the residual stream in the pass that normalises the sum.

    Returns:
        How many normalisations.
    """
    count = 0
    for total in edit.nodes:
        if total.op_type != "Add" or any(edit.constant(name) is not None for name in total.input):
            continue
        readers = edit.readers(total.output[0])
        norm = next((node for node in readers if node.op_type == "LayerNormalization"), None)
        if norm is None or attribute(norm, "axis", -1) != -1:
            continue
        skip, branch = total.input
        inputs = [branch, skip, *norm.input[1:3]]
        bias = edit.maker(branch, "Add")
        if bias is not None and edit.used_once(branch) and edit.is_vector(bias.input[1]):
            inputs = [bias.input[0], skip, *norm.input[1:3], bias.input[1]]
        fused = helper.make_node(
            "SkipLayerNormalization",
            inputs,
            [norm.output[0], "", "", total.output[0]],
            norm.name.replace("LayerNormalization", "SkipLayerNormalization"),
            domain=MICROSOFT,
            epsilon=attribute(norm, "epsilon", 1e-5),
        )
        edit.replace(norm, [])
        edit.replace(total, [fused])
        count += 1
    return count

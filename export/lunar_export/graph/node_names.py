"""Node names that say where in the network a node comes from.

An engine inspector, a profiler and the precision gate all report nodes by name.
"""

from __future__ import annotations

import ast
from collections import Counter

import onnx

_SCOPES = "pkg.torch.onnx.name_scopes"


def name_nodes(model: onnx.ModelProto) -> None:
    """Name every node `module/Operator`, as in `dec_blocks.0.attn.qkv/MatMul`.

    What the tracer noted besides (stack traces, with the paths of this machine) goes.
    """
    seen: Counter[str] = Counter()
    for node in model.graph.node:
        name = f"{_module(node)}/{node.op_type}"
        seen[name] += 1
        node.name = name if seen[name] == 1 else f"{name}_{seen[name]}"
        del node.metadata_props[:]
        node.doc_string = ""
    del model.metadata_props[:]
    del model.graph.metadata_props[:]
    for tensor in (*model.graph.value_info, *model.graph.input, *model.graph.output):
        del tensor.metadata_props[:]
    for initializer in model.graph.initializer:
        del initializer.metadata_props[:]
        initializer.doc_string = ""


def _module(node: onnx.NodeProto) -> str:
    scopes = next((p.value for p in node.metadata_props if p.key == _SCOPES), "[]")
    # The last scope is the operator's own, the first two are the graph and the student.
    modules = [scope for scope in ast.literal_eval(scopes)[:-1] if scope.startswith("student.")]
    return str(modules[-1]).removeprefix("student.") if modules else "graph"

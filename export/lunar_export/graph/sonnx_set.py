"""The safety-related profile of ONNX (SONNX): which operators its draft knows.

The profile is written by a working group of the ONNX project and is a draft. Its requirements and
its set of operators were read in the working group's public repository.
"""

from __future__ import annotations

#: What the set was read from; it stands in every graph that is made for it.
DRAFT = "SONNX requirements, draft of 2026"

#: The names of the draft's REQ-OP-000 that ONNX has too. Its list also has names of no operator
#: (Dense, FullyConnected, Padding, ConvTransposeDeconvolution), and writes Softplus as SoftPlus.
OPERATORS = frozenset({
    "Abs", "Add", "Cast", "Clip", "Concat", "Constant", "ConstantOfShape", "Conv", "ConvTranspose",
    "Div", "Equal", "Erf", "Exp", "Expand", "Flatten", "Gather", "Gemm", "GlobalAveragePool", "GRU",
    "HardSwish", "Identity", "LeakyRelu", "Less", "Log", "LSTM", "MatMul", "Max", "MaxPool", "Min",
    "Mod", "Mul", "Neg", "Not", "Pad", "Pow", "Range", "ReduceMean", "ReduceSum", "Relu", "Reshape",
    "Resize", "ScatterND", "Shape", "Sigmoid", "Slice", "Softmax", "Softplus", "Split", "Sqrt",
    "Squeeze", "Sub", "Tanh", "Transpose", "Unsqueeze", "Where",
})  # fmt: skip

#: Attributes that ONNX offers instead of an input or of other attributes: both cannot be given.
ALTERNATIVES = frozenset({
    ("ConvTranspose", "output_shape"), ("Split", "num_outputs"),
})  # fmt: skip
#: Inputs of which ONNX wants exactly one.
ONE_OF = {"Resize": ("scales", "sizes")}

#: Prefix of what a graph says of itself in its metadata.
PREFIX = "lunar_edge."
OPERATOR_VERSIONS = f"{PREFIX}operator_versions"
EXECUTION_ORDER = f"{PREFIX}execution_order"
TARGET = f"{PREFIX}target"
CHECKPOINT = f"{PREFIX}checkpoint_sha256"
TRAINING = f"{PREFIX}training_environment"

#!/usr/bin/env python3
"""Random blocks of every GGUF type and their float32 values by gguf-py.

Run by hand: make_golden_dequant.py OUTPUT_FILE (needs gguf, numpy).
Writes JSON: {type: {"blocks": hex, "sha256": of the little-endian floats,
"first": [...]}}; the blocks hold 1,024 elements per type.
"""
import hashlib, json, sys
import numpy as np, gguf
from gguf import GGMLQuantizationType as T

rng = np.random.default_rng(5)
out = {}
for name in "Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q2_K Q3_K Q4_K Q5_K Q6_K IQ4_NL IQ4_XS F16 BF16 MXFP4".split():
    t = T[name]
    block, size = gguf.GGML_QUANT_SIZES[t]
    n = 1024 // block
    data = rng.integers(0, 256, (n, size), dtype=np.uint8)
    half = lambda: (rng.standard_normal(n) * 0.05).astype(np.float16).view(np.uint8).reshape(n, 2)
    at = {"Q2_K": [80, 82], "Q3_K": [108], "Q6_K": [208], "Q4_1": [0, 2], "Q5_1": [0, 2], "Q4_K": [0, 2],
          "Q5_K": [0, 2]}.get(name, [0])
    if name in ("F16", "BF16"):
        values = rng.standard_normal(n).astype(np.float32)
        data = (values.astype(np.float16).view(np.uint8).reshape(n, 2) if name == "F16" else
                (values.view(np.uint32) >> 16).astype(np.uint16).view(np.uint8).reshape(n, 2))
    elif name == "MXFP4":
        data[:, 0] %= 248  # what is more may overflow; 255 is not a number
    else:
        for offset in at:
            data[:, offset:offset + 2] = half()
    floats = gguf.quants.dequantize(data.reshape(1, -1), t).astype("<f4").reshape(-1)
    floats = floats + 0.0  # -0 and 0 are the same weight
    out[name] = {"blocks": data.tobytes().hex(), "sha256": hashlib.sha256(floats.tobytes()).hexdigest(),
                 "first": [float(v) for v in floats[:4]]}
json.dump(out, open(sys.argv[1], "w"), indent=0)

#!/usr/bin/env python3
"""What gguf-py and llama.cpp make of the rows that quantize_test.cc makes too.

Run by hand: make_golden_quantize.py OUTPUT_FILE [LIBRARY] (needs gguf,
numpy). Writes JSON: "blocks" {type: hex of 64 rows of 32} by gguf-py, whose
quantizers of these types equal ggml's reference; "error" {type: RMS error over
RMS of rows of 1,024} by ggml_quantize_chunk of a library with llama.cpp in it;
"important_error": the same with importance, whose errors are weighed by it.
"""
import ctypes, json, sys
import numpy as np, gguf
from gguf import GGMLQuantizationType as T


def rows(count, columns):
    """As Rows() of quantize_test.cc: about normal, with some outliers."""
    state, out = 1, np.zeros((count, columns), np.float32)
    for r in range(count):
        for c in range(columns):
            total = 0
            for _ in range(4):
                state = (state * 1664525 + 1013904223) % 2**32
                total += state >> 16
            value = (total - 131070) / 65536 * 2.0 ** (r % 16 - 12)
            out[r, c] = value * 8 if r % 4 == 3 and c % 37 == 5 else value
    extreme = {0: lambda x: x * 0, 1: lambda x: x * 0 + 1.5, 2: lambda x: -abs(x) - 1, 3: lambda x: abs(x) + 1,
               4: lambda x: x * 2.0**22, 5: lambda x: x * 2.0**-14, 6: lambda x: x * 2.0**-40,
               7: lambda x: np.where(np.arange(columns) == 9, -3, 0)}
    for r, f in extreme.items():
        out[r] = f(out[r]) + np.float32(0)  # no -0
    return out


small, large = rows(64, 32), rows(64, 1024)
result = {"blocks": {n: gguf.quants.quantize(small, T[n]).tobytes().hex()
                     for n in "Q4_0 Q4_1 Q5_0 Q5_1 Q8_0".split()}, "error": {}, "important_error": {}}
large = large[8:]  # without the extremes
large /= np.sqrt((large.astype(np.float64) ** 2).mean(axis=1, keepdims=True)).astype(np.float32)
if len(sys.argv) > 2:
    ggml = ctypes.CDLL(sys.argv[2])
    ggml.ggml_quantize_chunk.restype = ctypes.c_size_t
    # As Importance() of quantize_test.cc.
    columns = np.arange(1024)
    importance = (2.0 ** (columns * 7 % 9 - 4)).astype(np.float32)
    for name in "Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q4_K Q5_K Q6_K IQ4_NL".split():
        block, size = gguf.GGML_QUANT_SIZES[T[name]]
        for key, weights in (("error", None), ("important_error", importance)):
            out = np.zeros((large.shape[0], 1024 // block * size), np.uint8)
            given = None if weights is None else weights.ctypes.data_as(ctypes.c_void_p)
            written = ggml.ggml_quantize_chunk(ctypes.c_int(T[name]), large.ctypes.data_as(ctypes.c_void_p),
                                               out.ctypes.data_as(ctypes.c_void_p), ctypes.c_int64(0),
                                               ctypes.c_int64(large.shape[0]), ctypes.c_int64(1024), given)
            assert written == out.size, (name, written)
            square = (gguf.quants.dequantize(out, T[name]).astype(np.float64) - large) ** 2
            result[key][name] = round(float(np.sqrt((square * (1 if weights is None else weights)).mean())), 7)
json.dump(result, open(sys.argv[1], "w"), indent=0)

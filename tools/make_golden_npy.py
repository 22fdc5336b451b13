#!/usr/bin/env python3
"""Writes tests/golden/npy: arrays as NumPy saves them, and as it should not.

make_golden_npy.py FOLDER
Needs numpy. Every array holds 0, 1, 2 ... in the shape [2, 3] where it is not
said otherwise; sum.npz is numpy.savez_compressed of two of them and a text.
"""
import sys
import numpy as np

folder = sys.argv[1]
base = np.arange(6).reshape(2, 3)
for code in ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u4", "b1"]:
    np.save(f"{folder}/{code}.npy", base.astype(code))
np.save(f"{folder}/scalar.npy", np.float32(2.5))
np.save(f"{folder}/empty.npy", np.zeros((0, 3), np.float32))
np.save(f"{folder}/text.npy", np.bytes_("csr"))
np.save(f"{folder}/fortran.npy", np.asfortranarray(base.astype("f4")))
np.save(f"{folder}/big.npy", base.astype(">f4"))
np.save(f"{folder}/object.npy", np.array([{}, None], dtype=object))
np.save(f"{folder}/record.npy", np.zeros(2, [("a", "f4"), ("b", "i4")]))
np.save(f"{folder}/complex.npy", base.astype("c8"))
for version in [(2, 0), (3, 0)]:
    with open(f"{folder}/v{version[0]}.npy", "wb") as f:
        np.lib.format.write_array(f, base.astype("f4"), version)
np.savez_compressed(f"{folder}/sum.npz", data=base.astype("f4"),
                    shape=np.array([2, 3]), format=np.bytes_("csr"))
np.savez(f"{folder}/stored.npz", a=base.astype("i4"))

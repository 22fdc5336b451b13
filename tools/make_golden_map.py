#!/usr/bin/env python3
"""Writes tests/golden/map: what umap-learn and scikit-learn compute of a small
random set, for src/learn/manifold.

    python tools/make_golden_map.py tests/golden/map

points.npy are 300 points in 12 dimensions, five clusters. The python that runs
this has umap-learn 0.5.12 and scikit-learn (PyPI).
"""
import json
import os
import sys

import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness
from sklearn.metrics import pairwise_distances
from umap.umap_ import find_ab_params, fuzzy_simplicial_set, smooth_knn_dist


def neighbours(points, metric, count):
    distances = pairwise_distances(points.astype(np.float64), metric=metric)
    np.fill_diagonal(distances, -1)
    ids = np.argsort(distances, axis=1, kind="stable")[:, :count]
    np.fill_diagonal(distances, 0)
    return ids, np.take_along_axis(distances, ids, 1).astype(np.float32)


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    random = np.random.RandomState(7)
    centres = random.randn(5, 12) * 2
    points = np.concatenate([centre + random.randn(60, 12) * 0.7
                             for centre in centres]).astype(np.float32)
    np.save(os.path.join(folder, "points.npy"), points)
    golden = {"curves": []}
    for spread, min_dist in ((1.0, 0.1), (1.0, 0.0), (1.0, 0.5), (2.0, 0.25),
                             (1.0, 0.99)):
        a, b = find_ab_params(spread, min_dist)
        golden["curves"].append([spread, min_dist, a, b])
    for metric in ("euclidean", "cosine"):
        ids, distances = neighbours(points, metric, 15)
        sigmas, rhos = smooth_knn_dist(distances, 15.0)
        graph, _, _ = fuzzy_simplicial_set(
            points, 15, np.random.RandomState(0), metric, knn_indices=ids,
            knn_dists=distances)
        graph = graph.tocsr()
        graph.sort_indices()
        rows = np.repeat(np.arange(300), np.diff(graph.indptr))
        golden[metric] = {
            "ids": ids[::10].tolist(),
            "distances": distances[::10].astype(float).round(7).tolist(),
            "sigmas": sigmas.astype(float).round(7).tolist(),
            "rhos": rhos.astype(float).round(7).tolist(),
            "edges": int(graph.nnz),
            "weights": float(graph.sum()),
            "first_rows": [[int(r), int(c), round(float(w), 7)] for r, c, w in
                           zip(rows, graph.indices, graph.data) if r < 20]}
    pca = PCA(n_components=3, svd_solver="full")
    projected = pca.fit_transform(points.astype(np.float64))
    golden["pca"] = {
        "variance": pca.explained_variance_.tolist(),
        "share": pca.explained_variance_ratio_.tolist(),
        "components": pca.components_.tolist(),
        "places": projected[:20].tolist()}
    golden["trustworthiness"] = {
        f"{metric} {count}": trustworthiness(
            points, projected[:, :2].astype(np.float32), n_neighbors=count,
            metric=metric)
        for metric in ("euclidean", "cosine") for count in (5, 15)}
    kept = 0
    want, _ = neighbours(points, "euclidean", 16)
    got, _ = neighbours(projected[:, :2].astype(np.float32), "euclidean", 16)
    for one, other in zip(want, got):
        kept += len(set(one[1:]) & set(other[1:]))
    golden["preservation euclidean 15"] = kept / (300 * 15)
    with open(os.path.join(folder, "golden.json"), "w") as file:
        json.dump(golden, file)


if __name__ == "__main__":
    main()

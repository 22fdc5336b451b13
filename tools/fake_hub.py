#!/usr/bin/env python3
"""A loopback Hugging Face endpoint with one small model, for interoperability
checks by hand: fake_hub.py PORT. Repository test/tiny, branch main."""
import hashlib, json, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"
FILES = {"config.json": b'{"model_type": "llama"}\n', "tokenizer.json": b"{}\n", "model.safetensors": b"\x08\0\0\0\0\0\0\0{}      "}
LFS = {"model.safetensors"}
sha256 = lambda b: hashlib.sha256(b).hexdigest()
blob = lambda b: hashlib.sha1(b"blob %d\0" % len(b) + b).hexdigest()
etag = lambda name: sha256(FILES[name]) if name in LFS else blob(FILES[name])


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self):
        path = self.path.split("?")[0]
        if path.startswith("/api/models/test/tiny/tree/"):
            items = [{"type": "file", "path": n, "size": len(b), "oid": blob(b),
                      **({"lfs": {"oid": sha256(b), "size": len(b), "pointerSize": 134}} if n in LFS else {})} for n, b in FILES.items()]
            return self.answer(200, json.dumps(items).encode(), Content_Type="application/json")
        if path.startswith("/api/models/test/tiny"):
            siblings = [{"rfilename": n, "size": len(b), "blobId": blob(b),
                         **({"lfs": {"sha256": sha256(b), "size": len(b), "pointerSize": 134}} if n in LFS else {})} for n, b in FILES.items()]
            return self.answer(200, json.dumps({"id": "test/tiny", "modelId": "test/tiny", "sha": COMMIT, "siblings": siblings, "private": False,
                                                "gated": False, "downloads": 0, "likes": 0, "tags": []}).encode(), Content_Type="application/json")
        for name, body in FILES.items():
            if path.endswith(f"/{name}") and "/resolve/" in path:
                status, extra = 200, {}
                if span := self.headers.get("Range"):
                    first, last = (int(x or len(body) - 1) for x in span.split("=")[1].split("-"))
                    status, extra = 206, {"Content_Range": f"bytes {first}-{last}/{len(body)}"}
                    part = body[first:last + 1]
                else:
                    part = body
                return self.answer(status, part, **extra, ETag=f'"{etag(name)}"', X_Repo_Commit=COMMIT, Accept_Ranges="bytes",
                                   **({"X_Linked_Etag": f'"{etag(name)}"', "X_Linked_Size": str(len(body))} if name in LFS else {}))
        self.answer(404)

    do_HEAD = do_GET

    def do_POST(self):  # paths-info, which the JavaScript client asks
        paths = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["paths"]
        items = [{"type": "file", "path": n, "size": len(FILES[n]), "oid": blob(FILES[n]),
                  "lastCommit": {"id": COMMIT, "title": "x", "date": "2024-01-01T00:00:00.000Z"},
                  **({"lfs": {"oid": sha256(FILES[n]), "size": len(FILES[n]), "pointerSize": 134}} if n in LFS else {})} for n in paths if n in FILES]
        self.answer(200, json.dumps(items).encode(), Content_Type="application/json")


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()

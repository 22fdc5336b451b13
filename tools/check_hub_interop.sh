#!/usr/bin/env bash
# Whether the Hub's own clients read the cache malmoi wrote, and malmoi theirs:
#   tools/check_hub_interop.sh [PYTHON]
# By hand: PYTHON needs huggingface_hub; npm fetches @huggingface/hub.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${1:-python3}
work=$(mktemp -d)
port=8899
"$python" tools/fake_hub.py $port &
server=$!
trap 'kill $server; rm -rf "$work"' EXIT
sleep 1
export HF_ENDPOINT=http://127.0.0.1:$port HF_TOKEN=
malmoi=$PWD/build/release/malmoi

echo "== malmoi writes, Python and JavaScript read"
HF_HOME=$work/ours "$malmoi" pull test/tiny
HF_HOME=$work/ours HF_HUB_OFFLINE=1 "$python" - <<'PY'
from huggingface_hub import hf_hub_download, scan_cache_dir, snapshot_download
info = scan_cache_dir()
assert not info.warnings, info.warnings
(repo,) = info.repos
assert repo.repo_id == "test/tiny" and repo.nb_files == 3, repo
assert open(hf_hub_download("test/tiny", "config.json")).read().startswith('{"model_type"')
print("Python:", repo.repo_id, repo.size_on_disk, "bytes,", snapshot_download("test/tiny"))
PY
(cd "$work" && npm install --silent --no-fund --no-audit @huggingface/hub >/dev/null)
cat >"$work/read.mjs" <<'JS'
import { scanCacheDir } from "@huggingface/hub";
const info = await scanCacheDir(process.argv[2]);
if (info.warnings.length || info.repos.length !== 1) throw new Error(JSON.stringify(info));
console.log("JavaScript:", info.repos[0].id.name, [...info.repos[0].revisions][0].files.length, "files");
JS
node "$work/read.mjs" "$work/ours/hub"

echo "== Python writes, malmoi reads without a network"
HF_HOME=$work/theirs "$python" -c \
  'from huggingface_hub import snapshot_download; snapshot_download("test/tiny")' 2>/dev/null
HF_HOME=$work/theirs HF_HUB_OFFLINE=1 "$malmoi" pull test/tiny
HF_HOME=$work/theirs "$malmoi" ls
cat >"$work/write.mjs" <<'JS'
import { downloadFileToCacheDir } from "@huggingface/hub";
for (const path of ["config.json", "tokenizer.json", "model.safetensors"]) {
  await downloadFileToCacheDir({ repo: "test/tiny", path, cacheDir: process.argv[2], hubUrl: process.env.HF_ENDPOINT });
}
JS
echo "== JavaScript writes, malmoi reads without a network"
node "$work/write.mjs" "$work/js/hub"
HF_HOME=$work/js HF_HUB_OFFLINE=1 "$malmoi" pull test/tiny ||
  HF_HOME=$work/js "$malmoi" ls
echo "== done"

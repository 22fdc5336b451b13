#!/usr/bin/env python3
"""Compares chat templates with Jinja2 as transformers sets it up.

    python tools/compare_templates.py COMPARE_TEMPLATE FOLDER...

FOLDER holds a tokenizer_config.json, as tools/fetch_tokenizers.py lays them;
those without a chat_template are passed over. COMPARE_TEMPLATE is the build
target of that name. Conversations have system turns, tools, calls and their
results, documents, several roles in a row; every one is rendered with and
without tools and the beginning of an answer. Where one fails, both must.
"""
import datetime
import itertools
import json
import os
import subprocess
import sys

from transformers.utils.chat_template_utils import _compile_jinja_template

EPOCH = datetime.datetime(1970, 1, 1)
CALL = {"type": "function", "id": "abcdefghi", "function": {
    "name": "get_weather", "arguments": {"city": "서울", "n": 1}}}
TURNS = {
    "system": {"role": "system", "content": "Be <brief>.\n"},
    "user": {"role": "user", "content": " Hi & 안녕 \"there\"\n"},
    "assistant": {"role": "assistant", "content": "<think>hm</think>\nYes. "},
    "call": {"role": "assistant", "content": "", "tool_calls": [CALL]},
    "tool": {"role": "tool", "name": "get_weather", "content": "{\"t\": 3}",
             "tool_call_id": "abcdefghi"},
    "parts": {"role": "user", "content": [{"type": "text", "text": "a"},
                                          {"type": "text", "text": "b"}]},
}
CONVERSATIONS = [c.split() for c in (
    "user", "system user", "user assistant user", "system user assistant",
    "system user assistant user assistant user", "user call tool user",
    "system user call tool assistant user", "user call tool tool", "system",
    "assistant", "user user", "parts", "system parts assistant user",
    "user assistant system user", "")]
TOOLS = [{"type": "function", "function": {
    "name": "get_weather", "description": "Weather of a city.", "parameters": {
        "type": "object", "required": ["city"], "properties": {
            "city": {"type": "string", "description": "Name"},
            "n": {"type": "integer", "enum": [1, 2]}}}}}]
DOCUMENTS = [{"title": "T", "text": "Some text.", "contents": "C"}]


def templates_of(folder):
    path = os.path.join(folder, "tokenizer_config.json")
    if not os.path.exists(path):
        return {}, {}
    with open(path, encoding="utf-8") as file:
        config = json.load(file)
    found = config.get("chat_template")
    if isinstance(found, list):
        found = {t["name"]: t["template"] for t in found}
    elif found:
        found = {"default": found}
    tokens = {key: value["content"] if isinstance(value, dict) else value
              for key, value in config.items()
              if key.endswith("_token") and value and
              isinstance(value, (dict, str))}
    return found or {}, tokens


def render(template, variables):
    try:
        compiled = _compile_jinja_template(template)
        return compiled.render(**variables, strftime_now=EPOCH.strftime)
    except Exception:  # what malmoi must refuse, too
        return None


def main():
    program, folders = sys.argv[1], sys.argv[2:]
    names, inputs, expected = [], [], []
    for folder in folders:
        found, tokens = templates_of(folder)
        for kind, template in found.items():
            for turns, tools, documents, prompt, extra in itertools.product(
                    CONVERSATIONS, (None, TOOLS), (None, DOCUMENTS),
                    (True, False), ({}, {"enable_thinking": False})):
                variables = {"messages": [TURNS[t] for t in turns],
                             "tools": tools, "documents": documents,
                             "add_generation_prompt": prompt, **tokens,
                             **extra}
                names.append(f"{os.path.basename(folder)} {kind}")
                inputs.append({"template": template, "variables": variables})
                expected.append(render(template, variables))
    done = subprocess.run(
        [program], input="".join(json.dumps(i) + "\n" for i in inputs).encode(),
        stdout=subprocess.PIPE, check=True)
    answers = [json.loads(line) for line in done.stdout.decode().splitlines()]
    assert len(answers) == len(inputs)
    total = {}
    for name, item, want, got in zip(names, inputs, expected, answers):
        counts = total.setdefault(name, [0, 0, 0])
        counts[0] += 1
        counts[1] += want is None
        if got.get("text") == want:
            continue
        counts[2] += 1
        if counts[2] <= 2:
            roles = [m["role"] for m in item["variables"]["messages"]]
            print(f"    {name}, {roles}: {got}, expected {want!r}")
    for name, (cases, errors, different) in total.items():
        print(f"{name}: {cases} cases, {errors} errors, {different} different")
    sys.exit(1 if any(t[2] for t in total.values()) else 0)


if __name__ == "__main__":
    main()

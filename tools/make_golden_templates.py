#!/usr/bin/env python3
"""Chat-template cases with the output of Jinja2 as transformers sets it up.

Run by hand: make_golden_templates.py OUTPUT_FOLDER
Needs jinja2 and transformers. Writes cases.json: [{template, variables,
expected}] where expected is null for templates that must be an error, and
real.json for every *.jinja in OUTPUT_FOLDER/real over several conversations.
"""
import datetime, glob, itertools, json, os, random, sys
from transformers.utils.chat_template_utils import _compile_jinja_template

random.seed(7)
EPOCH = datetime.datetime(1970, 1, 1)  # when the tests render
VARIABLES = {
    "n": 7, "m": -3, "x": 2.5, "s": "Hello, World", "t": "  padded\t\n", "k": "한국어 말모이",
    "e": "", "b": True, "nil": None, "l": [3, 1, 2], "w": ["b", "A", "c"], "d": {"a": 1, "b": [1, 2], "c": "z"},
    "u": [{"name": "Kim", "age": 30}, {"name": "lee", "age": 25}, {"name": "Park", "age": 30}],
    "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi <b>&\"'"},
                 {"role": "assistant", "content": "안녕"}],
}
EXPRESSIONS = """
n + 1 | n - m | n * x | n / 2 | n // 2 | m // 2 | m % 5 | n % -4 | -7 % 3 | 7.5 % 2 | 2 ** 10 | 2 ** -1 | -2 ** 2 | n ~ s | 1 + 2 * 3 - 4 / 2
n > 3 and m < 0 | n > 9 or b | not b | not n == 7 | 1 < 2 < 3 | 1 < 3 < 2 | n == 7.0 | "a" < "b" | l == [3, 1, 2] | (1, 2) == (1, 2) | d == d
3 in l | 9 not in l | "ell" in s | "a" in d | "z" in d | s[0] | s[-1] | s[1:4] | s[::-1] | k[0] | k[-3:] | k[1:5:2] | l[0] | l[-1] | l[1:] | l[::-1] | l[5:1] | l[-2:]
d.a | d["b"] | d.b[1] | d.get("a") | d.get("zz") | d.get("zz", 5) | d.items()|list | d.keys()|list | d.values()|list | d.zzz | zzz | u[0].name | u[1]["age"]
n if b else m | n if e else m | "x" if e | (n if b) ~ "!" | [1, "a", 2.0, none, true] | {"q": 1, "r": [2]} | (1,) | () | [] | {} | "it's" | ["it's", 'q"q', "both'\\""]
1.0 | 0.1 + 0.2 | 1e16 | 1e-5 | 123456789.125 | 1/3 | 100000000000000000.0 | -0.0 | true | none | 1_000
s.upper() | s.lower() | s.title() | s.split() | s.split(",") | s.split("l", 1) | s.replace("l", "L") | s.replace("l", "L", 1) | s.startswith("He") | s.endswith(("x", "ld")) | s.find("o") | s.rfind("o") | s.count("l") | t.strip() | t.lstrip() | t.rstrip() | "xxaxx".strip("x") | ",".join(["a", "b"]) | s.index("W") | "abc".isalpha() | "12".isdigit() | "a b\\nc".splitlines() | k.split() | "ab".capitalize() | "%s-%d" % ("a", 3) | "{} {}".format(1, "b") | "a-b-c".rsplit("-", 1)
s|upper | s|lower | s|title | s|capitalize | t|trim | s|length | l|length | d|length | l|first | l|last | l|sum | l|sort | l|sort(reverse=true) | w|sort | w|sort(case_sensitive=true) | l|min | l|max | l|reverse|list | s|reverse | l|join | l|join("-") | l|join(", ")|upper | w|map("upper")|list | u|map(attribute="name")|join(",") | u|map(attribute="zip", default="?")|list
u|selectattr("age", "equalto", 30)|map(attribute="name")|list | u|rejectattr("age", "equalto", 30)|list|length | l|select("odd")|list | l|reject("odd")|list | l|select("greaterthan", 1)|list | u|sort(attribute="age")|map(attribute="name")|list | u|groupby("age")|list|length | w|unique|list | [1,1,2]|unique|list | u|sum(attribute="age") | u|map(attribute="age")|max
e|default("d") | zzz|default("d") | e|default("d", true) | zzz|d("q") | nil|default("d") | n|string ~ "!" | "42"|int | "4x"|int | "4x"|int(9) | "3.7"|float | 3.7|int | 3.14159|round(2) | 2.5|round | 2.1|round(0, "ceil") | m|abs | -2.5|abs | s|list|length | "a b c"|wordcount | d|items|list | d|dictsort|list | s|truncate(8) | s|truncate(8, true) | "<b>"|e | s|replace("World", "X") | "x"|center(5) ~ "|" | s|indent(2) | "a\\nb"|indent(2) | "a\\n\\nb"|indent(2, true) | [1,2,3,4,5]|batch(2)|list | s|urlencode | "%.2f"|format(3.14159) | "%5d|%-5d|"|format(42, 42)
d|tojson | l|tojson | s|tojson | k|tojson | u|tojson | d|tojson(indent=2) | u[0]|tojson(indent=4) | none|tojson | true|tojson | 1.0|tojson | "q\\"\\\\n\\n"|tojson | {"b": 1, "a": {}}|tojson(indent=2) | []|tojson(indent=2) | "\\u001f/<>&'"|tojson
n is defined | zzz is defined | zzz is undefined | nil is none | n is number | s is string | l is iterable | s is iterable | l is sequence | d is mapping | n is odd | n is even | n is divisibleby 7 | n is divisibleby(2) | b is true | b is boolean | n is integer | x is float | n is eq 7 | n is ne 7 | n is gt 3 | n is in l | 3 is in l | "abc" is lower | "ABC" is upper | n is not none | l is not string | not n is none | zzz is defined and zzz.x | range is callable | n is sameas 7
range(5)|list | range(2, 8, 3)|list | range(5, 0, -2)|list | range(0)|list | range(3)|sum | namespace(a=1).a | dict(a=1, b=2) | dict(a=1).items()|list
raise_exception("no") | strftime_now("%Y") is string | zzz.x | nil.x | zzz[0] | n() | s.zzz | "a" + 1 | 1 + none | l + 1 | 1 / 0 | n // 0 | "a" < 1 | l|join(1, 2, 3, 4) | s|nosuch | s is nosuch | l.append(4) | d.update({}) | d.pop("a") | {}.x.y | s * 2 | 2 * s | l * 2 | [1] + [2] | (1,) + (2,) | "a" "b" | -n | +m | --n | n|abs + 1 | -1|abs | not true or true
"a" ~ 1 ~ none ~ true ~ 1.5 ~ [1] | u[0].items()|list | messages[0].role | messages[-1]["content"]|e | messages|length | messages[1:]|map(attribute="role")|join | messages|selectattr("role", "in", ["user", "system"])|list|length | loop is defined | (messages|first).content | messages|map(attribute="content")|map("length")|list
"a" if n > 5 else "b" if n > 2 else "c" | [n if b else m][0] | d["a" ~ ""] | {"a": n}["a"] | l[n - 6] | s[n - 7] | "abc"[1:][0] | (s|upper)[0] | s|upper|lower|title | x|int + n | (1, 2, 3)[1] | "\\t|\\n|" | 'a\\'b' | "é"|upper | "ÀB"|lower | "ß"|upper | k|upper | "straße"|title | "a1b2".isalnum() | " ".isspace() | "x".join("abc") | "abc"|list | "a,b,,c".split(",") | "  a  b ".split() | "abc".startswith("b", 1) is defined
""".strip()
STATEMENTS = [
    "{{ k|tojson(ensure_ascii=True) }}{{ '😀é'|tojson(true) }}{{ {'한': 1}|tojson(ensure_ascii=true, indent=2) }}", "{{ none|selectattr('a')|list }}{{ zzz|map('upper')|list }}{{ 0|reject('odd')|list }}{{ ''|map(attribute='x')|list }}",
    "{% if false %}{{ n|from_json }}{% endif %}x", "{{ n|from_json if false else 'y' }}", "{% if n is nosuch %}{% endif %}", "{% if false %}{{ n is nosuch }}{% endif %}z",
    "{% for k, g in [{'a': 'b'}, {'a': 'A'}, {'a': 'B'}]|groupby('a') %}{{ k }}:{{ g }};{% endfor %}",
    "{% for i in l %}{{ i }},{% endfor %}", "{% for i in [] %}x{% else %}none{% endfor %}",
    "{% for i in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.revindex }} {% endfor %}",
    "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}", "{% for a, b in [(1, 2), (3, 4)] %}{{ a + b }} {% endfor %}",
    "{% for i in l if i > 1 %}{{ loop.index }}:{{ i }} {% endfor %}", "{% for i in range(10) %}{% if i == 2 %}{% continue %}{% endif %}{% if i == 5 %}{% break %}{% endif %}{{ i }}{% endfor %}",
    "{% for i in l %}{{ loop.previtem }}<{{ i }}>{{ loop.nextitem }} {% endfor %}", "{% for i in l %}{{ loop.cycle('a', 'b') }}{% endfor %}",
    "{% for i in [1, 1, 2] %}{{ loop.changed(i) }} {% endfor %}",
    "{% for i in [[1, [2]], [3]] recursive %}{% if i is number %}{{ i }}{% else %}({{ loop(i) }}){% endif %}{% endfor %}",
    "{% set a = 1 %}{% for i in l %}{% set a = a + i %}{{ a }} {% endfor %}{{ a }}",
    "{% set ns = namespace(a=1) %}{% for i in l %}{% set ns.a = ns.a + i %}{% endfor %}{{ ns.a }}",
    "{% if n > 5 %}big{% elif n > 2 %}mid{% else %}small{% endif %}", "{% if zzz %}x{% endif %}y", "{% if e %}x{% else %}y{% endif %}",
    "{% set a, b = 1, 2 %}{{ a }}{{ b }}", "{% set a %}x{{ n }}y{% endset %}{{ a }}", "{% set a | upper %}abc{% endset %}{{ a }}",
    "{% macro f(a, b='q') %}[{{ a }}{{ b }}]{% endmacro %}{{ f(1) }}{{ f(1, 2) }}{{ f(b=3, a=4) }}{{ f() }}",
    "{% macro f() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ f(1, 2, x=3) }}", "{% macro f(x) %}{% if x > 0 %}{{ x }}{{ f(x - 1) }}{% endif %}{% endmacro %}{{ f(3) }}",
    "{% macro f() %}<{{ caller() }}>{% endmacro %}{% call f() %}in{% endcall %}", "{% macro f() %}{{ caller(5) }}{% endmacro %}{% call(v) f() %}{{ v + n }}{% endcall %}",
    "{% filter upper %}abc{{ s }}{% endfilter %}", "{% with a = 1, b = n %}{{ a + b }}{% endwith %}{{ a }}", "{% raw %}{{ x }}{% endraw %}", "{# c #}x{# {{ n }} #}",
    "{% generation %}x{{ n }}{% endgeneration %}", "{{ '{{' }}", "a\n{% if b %}\nb\n{% endif %}\nc", "a\n  {% if b %}\n  b\n  {% endif %}\n  c\n",
    "a  {%- if b -%}  b  {%- endif -%}  c", "a  {{- n -}}  b", "a {%+ if b %} x {% endif +%}\n y", "  {% for i in l %}\n    {{ i }}\n  {% endfor %}\n", "x\n\n{# c #}\n\ny", "x {#- c -#} y",
    "{% raw -%}  a {%- endraw %}", "line\r\nnext\r{{ n }}", "tail\n", "tail\n\n", "{{ n }}\n", "{%- set a = 1 %}\n{{ a }}", "   {{ n }}   ", "\t{% if b %}x{% endif %}\n",
    "{% for i in l -%}\n {{ i }}\n{%- endfor %}", "{% for m in messages %}{{ '<|' + m.role + '|>\n' + m['content'] + '\n' }}{% endfor %}",
    "{% for m in messages %}{% if loop.index0 % 2 == 0 %}{{ m.role|upper }}{% endif %}{% endfor %}", "{% if messages[0]['role'] == 'system' %}{% set rest = messages[1:] %}{% else %}{% set rest = messages %}{% endif %}{{ rest|length }}",
    "{% for i in 5 %}{% endfor %}", "{% if %}{% endif %}", "{% for %}{% endfor %}", "{{ }}", "{{ n", "{% if n %}", "{% endif %}", "{% nosuch %}", "{{ 1 + }}", "{{ 'a }}", "{% set ns = 1 %}{% set ns.a = 2 %}",
    "{% set a, b = [1, 2, 3] %}", "{% break %}", "{{ f(1) }}", "{% for a, b in [1] %}{% endfor %}", "{{ raise_exception('x') if false }}ok", "{% if zzz.y %}{% endif %}", "{{ {} | items | list }}",
    "{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current }}", "{% set j = joiner('|') %}{{ j() }}{{ j() }}{{ j() }}",
    "{% do l.count(1) %}x" , "{% set x = 5 %}{% macro f() %}{{ x }}{% endmacro %}{% set x = 6 %}{{ f() }}", "{% for i in s %}{{ i }}.{% endfor %}", "{% for k in d %}{{ k }}{% endfor %}",
    "{% for i in l %}{% for j in l %}{{ loop.index }}{% endfor %}{{ loop.index }};{% endfor %}", "{{ loop }}", "{% for i in l %}{{ loop.depth }}{% endfor %}",
]
CONVERSATIONS = [
    [{"role": "user", "content": "Hi"}],
    [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "안녕하세요 <b>"}, {"role": "assistant", "content": " Yes. \n"}, {"role": "user", "content": "why?\n\nhow?"}],
    [{"role": "user", "content": "1"}, {"role": "assistant", "content": "2"}, {"role": "user", "content": "3"}, {"role": "assistant", "content": "4"}],
    [{"role": "assistant", "content": "first"}],
    [],
    [{"role": "user", "content": "weather?"}, {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "id": "abcdefghi", "function": {"name": "get_weather", "arguments": {"city": "서울", "n": 1}}}]},
     {"role": "tool", "name": "get_weather", "tool_call_id": "abcdefghi", "content": "{\"t\": 3}"}, {"role": "user", "content": "thanks"}],
]
TOOLS = [{"type": "function", "function": {"name": "get_weather", "description": "Weather of a city.", "parameters": {
    "type": "object", "properties": {"city": {"type": "string", "description": "Name"}, "n": {"type": "integer"}}, "required": ["city"]}}}]


def generated():
    atoms = ["n", "m", "x", "s", "l", "e", "b", "nil", "zzz", "d.a", "l[0]", "3", "'q'", "2.0", "[n, m]", "s|length", "k"]
    binary = ["+", "-", "*", "//", "%", "~", "==", "!=", "<", ">=", "and", "or", "in", "/"]
    tails = ["", "|string", "|default('?')", " is defined", " is number", "|length", "|tojson", "|upper", "|list", "|first"]
    for _ in range(260):
        a, b, c = (random.choice(atoms) for _ in range(3))
        text = f"({a} {random.choice(binary)} {b}){random.choice(tails)}"
        if random.random() < 0.3:
            text = f"{text} {random.choice(binary)} {c}"
        yield "{{ " + text + " }}"


def render(template, variables):
    try:
        return _compile_jinja_template(template).render(**variables, strftime_now=EPOCH.strftime)
    except RecursionError:
        raise
    except Exception as error:
        return None


def main():
    folder = sys.argv[1]
    templates = ["{{ " + e.strip() + " }}" for line in EXPRESSIONS.split("\n") for e in line.split(" | ")]
    cases = [{"template": t, "expected": render(t, VARIABLES)}
             for t in dict.fromkeys(itertools.chain(templates, STATEMENTS, generated()))]
    errors = sum(c["expected"] is None for c in cases)
    with open(f"{folder}/cases.json", "w") as f:
        json.dump({"variables": VARIABLES, "cases": cases}, f, ensure_ascii=False, indent=0)
    print(len(cases), "cases,", errors, "errors")
    variables = [
        {"messages": messages, "tools": tools, "documents": None, "add_generation_prompt": prompt,
         "bos_token": "<s>", "eos_token": "</s>", **extra}
        for messages in CONVERSATIONS for tools in (None, TOOLS)
        for prompt, extra in ((True, {}), (False, {}), (True, {"enable_thinking": False}))]
    real = {}
    for path in sorted(glob.glob(f"{folder}/real/*.jinja")):
        source = open(path, newline="").read()
        real[os.path.basename(path)] = [render(source, v) for v in variables]
    with open(f"{folder}/real.json", "w") as f:
        json.dump({"variables": variables, "expected": real}, f, ensure_ascii=False, indent=0)
    outputs = [o for r in real.values() for o in r]
    print(len(real), "real templates,", len(outputs), "cases,", outputs.count(None), "errors")


main()

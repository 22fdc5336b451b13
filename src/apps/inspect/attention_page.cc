// The page of many attention maps: all of them small, one of them large, and
// the text, whose tokens show what they look at and who looks at them.
#include <algorithm>
#include <cmath>
#include <span>

#include "apps/inspect/pictures.h"
#include "base/base64.h"
#include "base/error.h"
#include "base/format.h"
#include "picture/colour.h"
#include "picture/page.h"
#include "picture/svg.h"

namespace malmoi::apps {

namespace {

constexpr char kStyle[] = R"(
#all{display:grid;grid-template-columns:minmax(12em,1fr) 1fr;gap:1.5em;
padding:1em}
header{grid-column:1/-1}
h1{font-size:1.2em;margin:0}
h2{font-size:1em;margin:1em 0 .4em}
p{color:var(--faint);margin:.2em 0}
#maps{overflow:auto;max-height:85vh}
#maps div{display:flex;align-items:center;gap:3px;margin-bottom:3px}
#maps span{flex:none;width:2.2em;text-align:right;padding-right:.3em;
color:var(--faint);font-size:.8em}
#maps button{padding:0;border:2px solid transparent;background:none;line-height:0;
cursor:pointer;flex:none}
#maps button[aria-pressed=true]{border-color:#d55e00}
#maps canvas{width:32px;height:32px;image-rendering:pixelated}
.text{line-height:1.9}
.text button{font:inherit;color:inherit;background:none;border:0;padding:.1em .15em;
border-radius:3px;cursor:pointer}
.text button[aria-pressed=true]{outline:2px solid #d55e00}
#large{image-rendering:pixelated;max-width:100%;border:1px solid var(--rule)}
#told{min-height:1.4em}
@media(max-width:50em){#all{grid-template-columns:1fr}#maps{max-height:40vh}}
)";

constexpr char kScript[] = R"JS(
"use strict";
{
const data = JSON.parse(document.getElementById("data").textContent);
const $ = id => document.getElementById(id);
const bytes = text => Uint8Array.from(atob(text), c => c.charCodeAt(0));
const all = bytes(data.values), colours = bytes(data.colours);
const rows = data.rows.length, columns = data.columns.length;
const area = rows * columns;
let map = 0, side = 0, token = rows - 1, pinned = null;
// Stored are roots of probabilities, in 255 steps.
const root = (r, c) => all[map * area + r * columns + c] / 255;
const percent = x => (100 * x * x).toFixed(1) + " %";

function paint(canvas, which) {
  canvas.width = columns; canvas.height = rows;
  const ink = canvas.getContext("2d"), image = ink.createImageData(columns, rows);
  for (let i = 0; i < area; i++) {
    const colour = 3 * all[which * area + i];
    for (let k = 0; k < 3; k++) image.data[4 * i + k] = colours[colour + k];
    image.data[4 * i + 3] = 255;
  }
  ink.putImageData(image, 0, 0);
}

// The small ones: a layer in each row.
const lines = [];
data.maps.forEach(([layer, head], i) => {
  let line = lines[lines.length - 1];
  if (!line || line.layer !== layer) {
    line = {layer, buttons: [], box: document.createElement("div")};
    const name = document.createElement("span");
    name.textContent = layer;
    line.box.append(name);
    $("maps").append(line.box);
    lines.push(line);
  }
  const button = document.createElement("button"),
        canvas = document.createElement("canvas");
  button.title = nameOf(i);
  button.setAttribute("aria-label", nameOf(i));
  paint(canvas, i);
  button.append(canvas);
  button.addEventListener("click", () => choose(i));
  const row = lines.length - 1, place = line.buttons.length;
  button.addEventListener("keydown", e => {
    const step = {ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0],
                  ArrowDown: [1, 0]}[e.key];
    if (!step) return;
    e.preventDefault();
    const to = lines[row + step[0]];
    const next = to && to.buttons[Math.min(place + step[1],
                                           to.buttons.length - 1)];
    if (next) { next.focus(); next.click(); }
  });
  line.box.append(button);
  line.buttons.push(button);
});
const buttons = lines.flatMap(line => line.buttons);
function nameOf(i) {
  const [layer, head] = data.maps[i];
  return data.say.layer + " " + layer + ", " +
      (head ? data.say.head + " " + head : data.say.mean);
}

// The text, once as what looks and once as what is looked at.
const texts = [data.rows, data.columns].map((labels, which) =>
    labels.map((label, i) => {
  const button = document.createElement("button");
  button.textContent = label;
  button.addEventListener("mouseenter", () => { if (!pinned) say(which, i); });
  button.addEventListener("focus", () => { if (!pinned) say(which, i); });
  button.addEventListener("click", () => {
    const same = pinned && side === which && token === i;
    pinned = same ? null : true;
    say(which, i);
  });
  $(which ? "columns" : "rows").append(button);
  return button;
}));

function say(which, i) {
  side = which; token = i;
  const shares = texts[1 - which].map((_, k) =>
      which ? root(k, i) : root(i, k));
  texts.forEach((list, s) => list.forEach((button, k) => {
    const own = s === which;
    button.setAttribute("aria-pressed", own && k === i);
    button.style.background = own ? ""
        : "rgba(0,130,200," + (.85 * shares[k]).toFixed(3) + ")";
    button.title = own ? "" : percent(shares[k]);
  }));
  const best = shares.map((share, k) => [share, k])
      .sort((a, b) => b[0] - a[0] || a[1] - b[1]).slice(0, 5)
      .filter(one => one[0] > .05);
  const name = k => texts[1 - which][k].textContent;
  $("told").textContent = texts[which][i].textContent + (which ? " ← " : " → ") +
      best.map(([share, k]) => name(k) + " " + percent(share)).join(", ");
}
function choose(i) {
  map = i;
  buttons.forEach((b, k) => b.setAttribute("aria-pressed", k === i));
  $("name").textContent = nameOf(i);
  paint($("large"), i);
  say(side, token);
}
const large = $("large");
large.style.width = Math.min(560, columns * Math.max(4, Math.floor(560 / columns)))
    + "px";
large.addEventListener("mousemove", e => {
  const box = large.getBoundingClientRect();
  const c = Math.floor((e.clientX - box.left) / box.width * columns);
  const r = Math.floor((e.clientY - box.top) / box.height * rows);
  if (r < 0 || c < 0 || r >= rows || c >= columns) return;
  large.title = data.rows[r] + " → " + data.columns[c] + ": " +
      percent(root(r, c));
  if (!pinned) say(0, r);
});
choose(0);
}
)JS";

std::string Bytes(const std::vector<uint8_t>& bytes) {
  return Base64(std::as_bytes(std::span(bytes)));
}

}  // namespace

std::string AttentionPage(const PictureText& text, const AttentionMaps& maps,
                          const std::vector<std::string>& rows,
                          const std::vector<std::string>& columns) {
  constexpr int64_t kMost = 24'000'000;
  const int64_t cells = std::ssize(maps.maps) * maps.rows * maps.columns;
  if (cells > kMost) {
    throw Error(ErrorCode::kLimit,
                {.where = "page",
                 .what = "too much for a page",
                 .expected = Format("at most {} probabilities", kMost),
                 .got = std::to_string(cells),
                 .hint = "--layer, --from, --to, or .npz"});
  }
  std::vector<uint8_t> values, colours;
  values.reserve(static_cast<size_t>(cells));
  Json names = Json::array();
  for (const AttentionMap& map : maps.maps) {
    names.push_back({map.layer, map.head});
    for (const float p : map.values) {
      values.push_back(static_cast<uint8_t>(
          std::lround(255 * std::sqrt(std::clamp(p, 0.0f, 1.0f)))));
    }
  }
  for (int step = 0; step < 256; ++step) {
    const auto colour = picture::Sequential(step / 255.0);
    colours.insert(colours.end(), {colour.red, colour.green, colour.blue});
  }
  picture::Page page;
  page.title = text.title;
  page.language = text.language;
  page.style = kStyle;
  page.script = kScript;
  page.data = {
      {"rows", rows},
      {"columns", columns},
      {"maps", std::move(names)},
      {"values", Bytes(values)},
      {"colours", Bytes(colours)},
      {"say",
       {{"layer", text.layer}, {"head", text.head}, {"mean", text.mean}}}};
  const auto element = [](const char* open, const std::string& own,
                          const char* close) {
    return open + picture::Escape(own) + close;
  };
  page.body = "<div id=\"all\"><header>" +
              element("<h1>", text.title, "</h1>") +
              element("<p>", text.subtitle, "</p>") +
              element("<p>", text.help, "</p></header>\n") +
              "<nav id=\"maps\"></nav>\n<main><h2 id=\"name\"></h2>\n" +
              element("<p>", text.looks, "</p>") +
              "<div class=\"text\" id=\"rows\"></div>\n" +
              element("<p>", text.looked_at, "</p>") +
              "<div class=\"text\" id=\"columns\"></div>\n"
              "<p id=\"told\" role=\"status\"></p>\n"
              "<canvas id=\"large\"></canvas></main></div>";
  return picture::HtmlPage(page);
}

}  // namespace malmoi::apps

// The page of a map: what its script draws on a canvas, so that tens of
// thousands of points move smoothly; everything on it is reached by keyboard.
#include <cmath>

#include "picture/page.h"
#include "picture/scatter.h"
#include "picture/svg.h"

namespace malmoi::picture {

namespace {

constexpr char kStyle[] = R"(
#map{display:grid;grid-template-columns:1fr auto;height:100vh}
#stage{position:relative;overflow:hidden;min-width:0}
canvas{position:absolute;inset:0;width:100%;height:100%;cursor:grab;
touch-action:none}
canvas:focus-visible{outline:2px solid #0072b2;outline-offset:-2px}
#tip{position:absolute;pointer-events:none;max-width:28em;padding:.4em .6em;
background:var(--panel);border:1px solid var(--rule);border-radius:4px;
overflow-wrap:anywhere;display:none}
#tip small{display:block;color:var(--faint)}
aside{width:17em;border-left:1px solid var(--rule);padding:1em;overflow:auto;
box-sizing:border-box;background:var(--panel)}
h1{font-size:1.1em;margin:0 0 .6em;overflow-wrap:anywhere}
input{width:100%;box-sizing:border-box;font:inherit;padding:.3em}
p{color:var(--faint);margin:.5em 0;font-size:.9em}
ul{list-style:none;margin:0;padding:0}
button{font:inherit;color:inherit;background:none;border:0;padding:.15em .2em;
text-align:left;cursor:pointer;overflow-wrap:anywhere}
li button{display:flex;width:100%}
button i{flex:none;width:.8em;height:.8em;border-radius:50%;
margin:.3em .5em 0 0}
button[aria-pressed=false]{opacity:.4;text-decoration:line-through}
button.tool{border:1px solid var(--rule);border-radius:4px;padding:.2em .6em}
@media(max-width:40em){#map{grid-template-columns:1fr;
grid-template-rows:60vh auto;height:auto}aside{width:auto;border:0}}
)";

constexpr char kScript[] = R"JS(
"use strict";
{
const data = JSON.parse(document.getElementById("data").textContent);
const $ = id => document.getElementById(id);
const canvas = $("canvas"), tip = $("tip"), status = $("status");
const ink = canvas.getContext("2d");
const n = data.x.length, shown = data.names.map(() => true);
let scale = 1, left = 0, top = 0, hover = -1, found = null, at = -1;
let wide = 0, high = 0, waiting = false;

function fit() {
  let x0 = Infinity, x1 = -Infinity, y0 = Infinity, y1 = -Infinity;
  for (let i = 0; i < n; i++) {
    x0 = Math.min(x0, data.x[i]); x1 = Math.max(x1, data.x[i]);
    y0 = Math.min(y0, data.y[i]); y1 = Math.max(y1, data.y[i]);
  }
  scale = Math.min((wide - 40) / (x1 - x0 || 1), (high - 40) / (y1 - y0 || 1));
  left = wide / 2 - scale * (x0 + x1) / 2;
  top = high / 2 + scale * (y0 + y1) / 2;
  first = scale;
}
let first = 1;
const px = i => left + scale * data.x[i], py = i => top - scale * data.y[i];
const visible = i => !data.classes || shown[data.classes[i]];
const radius = () => Math.max(1.2, Math.min(7,
    Math.sqrt(wide * high / n) * .1 * Math.sqrt(scale / first)));

function draw() {
  waiting = false;
  const ratio = window.devicePixelRatio || 1;
  ink.setTransform(ratio, 0, 0, ratio, 0, 0);
  ink.clearRect(0, 0, wide, high);
  const r = radius();
  for (let i = 0; i < n; i++) {
    if (!visible(i)) continue;
    const x = px(i), y = py(i);
    if (x < -r || y < -r || x > wide + r || y > high + r) continue;
    ink.globalAlpha = found && !found.has(i) ? .12 : .8;
    ink.fillStyle = data.colours[data.classes ? data.classes[i] : 0];
    ink.beginPath(); ink.arc(x, y, r, 0, 7); ink.fill();
  }
  ink.globalAlpha = 1;
  const style = getComputedStyle(document.body);
  ink.strokeStyle = ink.fillStyle = style.color;
  if (found && found.size < 100)
    for (const i of found) if (visible(i)) ring(i, r + 1.5, 1);
  if (hover >= 0) ring(hover, r + 4, 2);
  names(style);
}
function ring(i, r, width) {
  ink.lineWidth = width; ink.beginPath();
  ink.arc(px(i), py(i), r, 0, 7); ink.stroke();
}
// Texts beside points, where few are seen.
function names(style) {
  if (!data.texts) return;
  const seen = [];
  for (let i = 0; i < n && seen.length <= 150; i++) {
    const x = px(i), y = py(i);
    if (found && !found.has(i)) continue;
    if (visible(i) && x > 0 && y > 0 && x < wide && y < high) seen.push(i);
  }
  if (seen.length > 150) return;
  ink.font = "12px system-ui,sans-serif"; ink.textBaseline = "middle";
  const taken = [], r = radius() + 4;
  ink.lineWidth = 3; ink.lineJoin = "round";
  ink.strokeStyle = style.backgroundColor;
  for (const i of seen) {
    const all = data.texts[i], text = all.length > 40 ? all.slice(0, 39) + "…"
        : all, w = ink.measureText(text).width, x = px(i), y = py(i);
    for (const [l, m] of [[x + r, y], [x - r - w, y], [x - w / 2, y - r - 4],
                          [x - w / 2, y + r + 4]]) {
      if (taken.some(b => l < b[0] + b[2] && b[0] < l + w &&
                          Math.abs(m - b[1]) < 14)) continue;
      taken.push([l, m, w]);
      ink.strokeText(text, l, m); ink.fillText(text, l, m);
      break;
    }
  }
}
function later() {
  if (!waiting) { waiting = true; requestAnimationFrame(draw); }
}
function size() {
  const box = $("stage").getBoundingClientRect();
  const before = wide;
  wide = box.width; high = box.height;
  const ratio = window.devicePixelRatio || 1;
  canvas.width = wide * ratio; canvas.height = high * ratio;
  if (!before) fit();
  later();
}
function nearest(x, y) {
  let best = -1, least = 14 * 14;
  for (let i = 0; i < n; i++) {
    if (!visible(i)) continue;
    const dx = px(i) - x, dy = py(i) - y, d = dx * dx + dy * dy;
    if (d < least) { least = d; best = i; }
  }
  return best;
}
function say(i) {
  hover = i;
  if (i < 0) { tip.style.display = "none"; later(); return; }
  tip.textContent = data.texts ? data.texts[i] : "#" + (i + 1);
  if (data.classes) {
    const small = document.createElement("small");
    small.textContent = data.names[data.classes[i]];
    tip.append(small);
  }
  tip.style.display = "block";
  const w = tip.offsetWidth, h = tip.offsetHeight;
  tip.style.left = Math.max(4, Math.min(px(i) + 12, wide - w - 4)) + "px";
  tip.style.top = Math.max(4, Math.min(py(i) + 12, high - h - 4)) + "px";
  later();
}
function zoom(factor, x, y) {
  const next = Math.max(first / 4, Math.min(first * 4000, scale * factor));
  left = x - (x - left) * next / scale;
  top = y - (y - top) * next / scale;
  scale = next; say(-1);
}
// One finger or the mouse drags, two zoom.
const fingers = new Map();
canvas.addEventListener("pointerdown", e => {
  fingers.set(e.pointerId, [e.offsetX, e.offsetY]);
  canvas.setPointerCapture(e.pointerId);
});
canvas.addEventListener("pointermove", e => {
  const was = fingers.get(e.pointerId);
  if (!was) { say(nearest(e.offsetX, e.offsetY)); return; }
  const x = e.offsetX, y = e.offsetY;
  if (fingers.size === 2) {
    const other = [...fingers].find(([id]) => id !== e.pointerId)[1];
    const far = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1]) || 1;
    zoom(far([x, y], other) / far(was, other), (x + other[0]) / 2,
         (y + other[1]) / 2);
  } else if (fingers.size === 1) {
    left += x - was[0]; top += y - was[1]; say(-1);
  }
  fingers.set(e.pointerId, [x, y]);
});
for (const name of ["pointerup", "pointercancel"])
  canvas.addEventListener(name, e => {
    fingers.delete(e.pointerId);
    if (name === "pointerup") say(nearest(e.offsetX, e.offsetY));
  });
canvas.addEventListener("pointerleave", () => say(-1));
canvas.addEventListener("wheel", e => {
  e.preventDefault();
  zoom(Math.exp(-e.deltaY * (e.deltaMode ? .05 : .0015)), e.offsetX, e.offsetY);
}, {passive: false});
function all() { fit(); say(-1); }
canvas.addEventListener("keydown", e => {
  const keys = {ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60],
                ArrowDown: [0, -60]};
  if (keys[e.key]) { left += keys[e.key][0]; top += keys[e.key][1]; say(-1); }
  else if (e.key === "+" || e.key === "=") zoom(1.4, wide / 2, high / 2);
  else if (e.key === "-") zoom(1 / 1.4, wide / 2, high / 2);
  else if (e.key === "0" || e.key === "Home") all();
  else if (e.key === "Enter") go(e.shiftKey ? -1 : 1);
  else if (e.key === "Escape") say(-1);
  else return;
  e.preventDefault();
});
$("all").addEventListener("click", all);
// Search: texts and names of classes.
function search() {
  const wanted = $("search").value.trim().toLowerCase();
  at = -1;
  if (!wanted) { found = null; status.textContent = ""; say(-1); return; }
  found = new Set();
  for (let i = 0; i < n; i++) {
    const text = (data.texts ? data.texts[i] : "") + "\n" +
        (data.classes ? data.names[data.classes[i]] : "");
    if (text.toLowerCase().includes(wanted)) found.add(i);
  }
  status.textContent = data.say.found.replace("{}", found.size);
  say(-1);
}
// The next of what was found, or of all points, in the middle of the picture.
function go(step) {
  const list = found ? [...found].filter(visible)
      : [...Array(n).keys()].filter(visible);
  if (!list.length) return;
  at = (at + step + list.length) % list.length;
  const i = list[at];
  left += wide / 2 - px(i); top += high / 2 - py(i);
  say(i);
  status.textContent = (at + 1) + "/" + list.length + ": " +
      [...tip.childNodes].map(node => node.textContent).join(" – ");
}
$("search").addEventListener("input", search);
$("search").addEventListener("keydown", e => {
  if (e.key === "Enter") go(e.shiftKey ? -1 : 1);
  if (e.key === "Escape") { e.target.value = ""; search(); }
});
// The legend; with Alt or by a double click one class alone.
const buttons = data.names.map((name, c) => {
  const item = document.createElement("li"),
        button = document.createElement("button"),
        dot = document.createElement("i");
  dot.style.background = data.colours[c];
  button.append(dot, name + " (" + data.counts[c] + ")");
  button.setAttribute("aria-pressed", "true");
  button.addEventListener("click", e => {
    if (e.altKey) only(c); else { shown[c] = !shown[c]; press(); }
  });
  button.addEventListener("dblclick", () => only(c));
  item.append(button); $("legend").append(item);
  return button;
});
function only(c) { shown.forEach((_, i) => { shown[i] = i === c; }); press(); }
function press() {
  buttons.forEach((b, i) => b.setAttribute("aria-pressed", shown[i]));
  say(-1);
}
$("every").hidden = !data.classes;
$("every").addEventListener("click", () => {
  const some = shown.some(s => !s);
  shown.fill(some); press();
});
window.addEventListener("resize", size);
matchMedia("(prefers-color-scheme:dark)").addEventListener("change", later);
size();
}
)JS";

Json Rounded(const std::vector<double>& values) {
  Json list = Json::array();
  for (const double value : values) {
    list.push_back(std::round(value * 1e4) / 1e4);
  }
  return list;
}

struct Words {
  const char *search, *help, *all, *every, *found, *canvas;
};
constexpr Words kEnglish = {
    "Search texts and labels",
    "Wheel or + and - zoom, drag or arrow keys move, Enter goes from point to "
    "point, a label hides its class, with Alt it shows only that.",
    "Whole map",
    "All or none",
    "{} found",
    "Map of points"};
constexpr Words kKorean = {
    "글과 레이블 찾기",
    "휠이나 +, -로 확대하고, 끌거나 화살표 키로 옮기고, Enter로 점을 차례로 "
    "봅니다. 레이블을 누르면 그 부류를 숨기고, Alt와 함께 누르면 그것만 "
    "봅니다.",
    "전체 보기",
    "모두 또는 없음",
    "{}개 찾음",
    "점의 지도"};

}  // namespace

std::string ScatterHtml(const Scatter& scatter, const std::string& language) {
  const Words& words = language == "ko" ? kKorean : kEnglish;
  Json data = {{"x", Rounded(scatter.x)}, {"y", Rounded(scatter.y)}};
  data["texts"] = scatter.texts.empty() ? Json() : Json(scatter.texts);
  data["classes"] = scatter.classes.empty() ? Json() : Json(scatter.classes);
  const auto classes = static_cast<int32_t>(scatter.class_names.size());
  std::vector<int64_t> counts(scatter.class_names.size());
  for (const int32_t c : scatter.classes) ++counts[static_cast<size_t>(c)];
  Json colours = Json::array();
  for (int32_t c = 0; c < std::max(1, classes); ++c) {
    colours.push_back(ClassColour(scatter, c));
  }
  data["names"] = scatter.class_names;
  data["counts"] = counts;
  data["colours"] = colours;
  data["say"] = {{"found", words.found}};
  Page page;
  page.title = scatter.title.empty() ? "malmoi map" : scatter.title;
  page.language = language;
  page.style = kStyle;
  page.script = kScript;
  page.data = std::move(data);
  const auto escaped = [](const std::string& text) { return Escape(text); };
  page.body =
      "<div id=\"map\"><main id=\"stage\"><canvas id=\"canvas\" tabindex=\"0\" "
      "role=\"application\" aria-label=\"" +
      escaped(words.canvas) +
      "\"></canvas><div id=\"tip\"></div></main>\n<aside><h1>" +
      escaped(page.title) + "</h1>\n<label for=\"search\">" +
      escaped(words.search) +
      "</label><input id=\"search\" type=\"search\">\n"
      "<p id=\"status\" role=\"status\"></p>\n"
      "<button class=\"tool\" id=\"all\">" +
      escaped(words.all) + "</button> <button class=\"tool\" id=\"every\">" +
      escaped(words.every) + "</button>\n<ul id=\"legend\"></ul>\n<p>" +
      escaped(words.help) + "</p></aside></div>";
  return HtmlPage(page);
}

}  // namespace malmoi::picture

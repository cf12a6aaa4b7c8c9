"use strict";
const byId = (id) => document.getElementById(id);
const steps = JSON.parse(byId("steps").textContent);
const area = byId("picture"), svg = area.querySelector("svg"), scene = byId("scene"), panel = byId("panel");
const whole = svg.viewBox.baseVal, size = { width: whole.width, height: whole.height };
const nodes = [...svg.querySelectorAll(".node")], links = [...svg.querySelectorAll(".link")];
const nodeOf = new Map(nodes.map((node) => [node.dataset.name, node]));
let view = { x: 0, y: 0, scale: 1 }, selected = null, matches = [];

function show(x, y, scale) {
  view = { x, y, scale: Math.min(8, Math.max(0.05, scale)) };
  svg.setAttribute("viewBox", [x, y, area.clientWidth / view.scale, area.clientHeight / view.scale].join(" "));
}

function zoom(factor, x = area.clientWidth / 2, y = area.clientHeight / 2) {
  const scale = Math.min(8, Math.max(0.05, view.scale * factor));
  show(view.x + x / view.scale - x / scale, view.y + y / view.scale - y / scale, scale);
}

function fit(scale) {
  show((size.width - area.clientWidth / scale) / 2, Math.min(0, (size.height - area.clientHeight / scale) / 2), scale);
}
const fitWidth = () => fit(Math.min(1.5, area.clientWidth / size.width));
const fitWhole = () => fit(Math.min(area.clientWidth / size.width, area.clientHeight / size.height));

function centre(node) {
  const scale = Math.max(view.scale, 1), box = node.getBBox(), place = node.getCTM(), now = svg.getCTM();
  const x = (place.e - now.e) / now.a + box.width / 2, y = (place.f - now.f) / now.d + box.height / 2;
  show(x - area.clientWidth / scale / 2, y - area.clientHeight / scale / 2, scale);
}

function element(tag, text, ...children) {
  const made = document.createElement(tag);
  made.textContent = text;
  made.append(...children);
  return made;
}

const address = (name) => "#node-" + encodeURIComponent(name);
function anchors(title, names) {
  const made = names.map((name) => Object.assign(element("a", name), { href: address(name) }));
  return made.length ? [element("dt", title), element("dd", "", ...made)] : [];
}

function describe(name) {
  const { facts, inputs, readers } = steps[name];
  const lines = Object.entries(facts).flatMap(([title, text]) => [element("dt", title), element("dd", text)]);
  panel.replaceChildren(element("h2", name), element("dl", "", ...lines, ...anchors("Reads", inputs), ...anchors("Read by", readers)));
}

function select(name, move) {
  if (!nodeOf.has(name)) return;
  selected = name;
  nodes.forEach((node) => node.classList.toggle("selected", node.dataset.name === name));
  links.forEach((link) => link.classList.toggle("near", link.dataset.source === name || link.dataset.target === name));
  describe(name);
  history.replaceState(null, "", address(name));
  if (move) centre(nodeOf.get(name));
}

function search() {
  const text = byId("search").value.trim().toLowerCase();
  const hit = (node) => node.querySelector("title").textContent.toLowerCase().includes(text);
  matches = text ? nodes.filter(hit) : [];
  nodes.forEach((node) => node.classList.toggle("dim", text !== "" && !matches.includes(node)));
  scene.classList.toggle("searching", text !== "");
  byId("found").textContent = text ? `${matches.length} of ${nodes.length}` : "";
}

function nextMatch() {
  const index = matches.findIndex((node) => node.dataset.name === selected);
  if (matches.length) select(matches[(index + 1) % matches.length].dataset.name, true);
}

let drag = null;
area.addEventListener("pointerdown", (event) => { drag = { x: event.clientX, y: event.clientY, view, moved: false }; });
addEventListener("pointermove", (event) => {
  if (!drag) return;
  const x = event.clientX - drag.x, y = event.clientY - drag.y;
  drag.moved ||= Math.hypot(x, y) > 4;
  if (!drag.moved) return;
  area.classList.add("moving");
  show(drag.view.x - x / view.scale, drag.view.y - y / view.scale, view.scale);
});
addEventListener("pointerup", (event) => {
  const node = drag && !drag.moved && event.target.closest?.(".node");
  if (node) select(node.dataset.name);
  drag = null;
  area.classList.remove("moving");
});
addEventListener("pointercancel", () => { drag = null; });
area.addEventListener("wheel", (event) => {
  event.preventDefault();
  const at = area.getBoundingClientRect();
  zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), event.clientX - at.left, event.clientY - at.top);
}, { passive: false });

const neighbour = (list, key) => () => { if (selected && steps[selected][list].length) select(steps[selected][list][0], true); };
const keys = {
  "+": () => zoom(1.25), "=": () => zoom(1.25), "-": () => zoom(0.8), "0": fitWhole, "w": fitWidth,
  "/": () => byId("search").focus(), "ArrowDown": neighbour("readers"), "ArrowUp": neighbour("inputs"),
};
addEventListener("keydown", (event) => {
  if (event.target === byId("search") || event.ctrlKey || event.metaKey || !keys[event.key]) return;
  event.preventDefault();
  keys[event.key]();
});
byId("search").addEventListener("input", search);
byId("search").addEventListener("keydown", (event) => {
  if (event.key === "Enter") nextMatch();
  if (event.key === "Escape") { event.target.value = ""; search(); event.target.blur(); }
});
for (const [id, action] of Object.entries({ in: keys["+"], out: keys["-"], fit: fitWhole, wide: fitWidth })) byId(id).onclick = action;
const follow = () => select(decodeURIComponent(location.hash.replace("#node-", "")), true);
addEventListener("hashchange", follow);
addEventListener("resize", () => show(view.x, view.y, view.scale));
addEventListener("beforeprint", () => svg.setAttribute("viewBox", `0 0 ${size.width} ${size.height}`));
addEventListener("afterprint", () => show(view.x, view.y, view.scale));
fitWidth();
follow();

// The page as a whole: what it says of the runs, the list of runs, the controls, printing. The last of
// the scripts: it puts all together.
"use strict";

// --- what the report is about ---

function stateText(run) {
  const state = run.state === "failed" ? `failed (exit code ${run.exit_code || 0})` : run.state;
  return run.bad_bytes ? `${state}, damaged` : state;
}

function describe() {
  const states = new Map();
  for (const run of data.runs) states.set(run.state, (states.get(run.state) || 0) + 1);
  const rows = data.runs.reduce((sum, run) => sum + run.rows, 0);
  const title = groups.length === 1 && groups[0] ? groups[0] : data.folders.join(", ");
  $("title").textContent = title;
  document.title = `${title} · flarebridge report`;
  $("summary").textContent = `${amount(data.runs.length, "run")}: ` +
    `${[...states].map(([state, count]) => `${count} ${state}`).join(", ")} · ${amount(rows, "row")} · ` +
    `${amount(metrics.length, "metric")}`;
  const made = new Date(data.made * 1000);
  $("footer").textContent = `Made by ${data.program} on ${made.toLocaleString()} from ${data.folders.join(", ")}. ` +
    "The file holds all that it shows and asks no network for anything.";
}

function problems() {
  const found = [];
  data.runs.forEach((run, i) => {
    const say = (words) => found.push(`${labels[i]}: ${words}`);
    if (run.unreadable) say(`its log can't be read${run.rows ? " to its end" : ""}: ${run.unreadable}`);
    if (run.bad_bytes) say(`${amount(run.bad_bytes, "byte")} of its log are damaged; what is before and behind them is shown`);
    if (run.steps_back) say(`${amount(run.steps_back, "row")} with a lower step than the row before; they are shown at their steps`);
    if (run.left_out) say(`${amount(run.left_out, "value")} not shown: there are too many keys, or their names are too long`);
  });
  $("problems").append(...found.map((words) => make("li", {}, words)));
  $("problems").hidden = found.length === 0;
}

// --- which runs are shown ---

function swatch() {
  const part = (tag, look) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(look)) element.setAttribute(name, value);
    return element;
  };
  const svg = part("svg", {width: 18, height: 8, "aria-hidden": "true"});
  svg.append(part("line", {x1: 0, x2: 18, y1: 4, y2: 4, "stroke-width": 3}));
  return svg;
}

function paint(svg, color, dash) {
  svg.firstChild.setAttribute("stroke", color);
  svg.firstChild.setAttribute("stroke-dasharray", dash.join(" "));
}

const entries = new Map(); // of the list of runs: {box, line} by run

function legend() {
  $("legend").append(...runOrder.map((i) => {
    const run = data.runs[i];
    const box = make("input", {type: "checkbox", onchange: () => {
      if (box.checked) view.hidden.delete(i);
      else view.hidden.add(i);
      redraw();
      values();
    }});
    const line = swatch();
    entries.set(i, {box, line});
    const state = run.state === "finished" ? null : make("span", {class: run.state}, run.state);
    const highlight = (which) => () => { for (const card of inSight) if (card.chart) card.chart.highlight(which); };
    const pointed = {onmouseenter: highlight(i), onmouseleave: highlight(null), onfocusin: highlight(i), onfocusout: highlight(null)};
    return make("li", pointed, make("label", {title: run.name}, box, line, make("span", {}, labels[i]), state));
  }));
}

// The list's entries stay, so that the keyboard's focus does.
function paintLegend() {
  const byGroup = isByGroup(view);
  for (const [run, {box, line}] of entries) {
    box.checked = !view.hidden.has(run);
    paint(line, colorOf(run, theme(), byGroup), dashOf(run, theme(), byGroup));
  }
  const shown = groups.filter((group) => data.runs.some((run, i) => run.group === group && !view.hidden.has(i)));
  $("means").replaceChildren(...(byGroup ? shown : [null]).map((group) => {
    const line = swatch();
    paint(line, group === null ? theme().text : groupColor(group, theme()), []);
    return make("li", {}, line, group === null ? "mean" : `mean of ${groupName(group)}`);
  }));
  $("mean-key").hidden = !view.spread;
}

function showRuns(isShown) {
  data.runs.forEach((_, i) => (isShown(i) ? view.hidden.delete(i) : view.hidden.add(i)));
  redraw();
  values();
}

function groupButtons() {
  $("all").addEventListener("click", () => showRuns(() => true));
  $("none").addEventListener("click", () => showRuns(() => false));
  if (groups.length < 2 || groups.length > 30) return;
  $("groups").hidden = false;
  $("groups").append(...groups.map((group) => make("button", {
    type: "button", onclick: () => showRuns((i) => data.runs[i].group === group),
  }, `only ${groupName(group)}`)));
}

// --- charts ---

let waiting = false;
function redraw() {
  paintLegend();
  showImages();
  showTexts();
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    for (const card of inSight) card.draw();
  });
}

function search() {
  const words = $("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  let found = 0;
  for (const card of cards) {
    const name = card.metric.name.toLowerCase();
    card.element.hidden = !words.every((word) => name.includes(word));
    found += card.element.hidden ? 0 : 1;
  }
  $("found").textContent = words.length ? `${found} of ${amount(cards.length, "metric")}` :
    cards.length ? "" : "No run has logged a number.";
  if ($("charts").getBoundingClientRect().top < 0) $("charts").scrollIntoView();
  values();
}

// --- all together ---

function controls() {
  const on = (id, event, action) => $(id).addEventListener(event, action);
  on("controls", "submit", (event) => event.preventDefault());
  on("search", "input", search);
  on("log", "change", (event) => { view.log = event.target.checked; redraw(); });
  on("spread", "change", (event) => { view.spread = event.target.checked; redraw(); });
  on("smoothing", "input", (event) => {
    view.smoothing = Number(event.target.value);
    $("smoothing-value").textContent = event.target.value;
    redraw();
  });
  on("figure", "change", values);
  for (const choice of document.querySelectorAll('input[name="over"]')) {
    choice.addEventListener("change", () => { view.byTime = choice.value === "time" && choice.checked; redraw(); });
  }
  $("spread").checked = view.spread;
  $("spread-label").hidden = data.runs.length < 2;
}

const mostPrinted = 200;
function setPrinting(on) {
  printing = on;
  document.documentElement.classList.toggle("print", on);
  paintLegend();
  const all = on ? cards.filter((card) => !card.element.hidden).slice(0, mostPrinted) : [...inSight];
  for (const card of cards) if (!on && !inSight.has(card)) card.clear();
  for (const card of all) card.draw();
  printImages(on);
}

describe();
problems();
groupButtons();
controls();
legend();
paintLegend();
$("grid").append(...cards.map((card) => card.element));
search();
runsTable();
configTable();
imagesSection();
textsSection();
consolesSection();
for (const card of cards) {
  sight.observe(card.element);
  sizes.observe(card.plot);
}
dark.addEventListener("change", redraw);
addEventListener("beforeprint", () => setPrinting(true));
addEventListener("afterprint", () => setPrinting(false));

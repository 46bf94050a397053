// The page: what it says of runs, the list of runs, the controls, a card for each metric, tables. All
// texts of the data go into it as texts, never as HTML.
"use strict";

const $ = (id) => document.getElementById(id);

// make("p", {class: "x", onclick: f}, "text", element, ...)
function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const view = {hidden: new Set(), byTime: false, log: false, smoothing: 0, spread: data.runs.length > 1};
const dark = matchMedia("(prefers-color-scheme: dark)");
let printing = false;
const theme = () => (dark.matches && !printing ? themes.dark : themes.light);

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

function swatch(run) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  for (const [name, value] of [["width", 18], ["height", 8], ["aria-hidden", "true"]]) svg.setAttribute(name, value);
  const line = document.createElementNS("http://www.w3.org/2000/svg", "line");
  const look = {x1: 0, x2: 18, y1: 4, y2: 4, stroke: colorOf(run, theme()), "stroke-width": 3, "stroke-dasharray": dashOf(run, theme()).join(" ")};
  for (const [name, value] of Object.entries(look)) line.setAttribute(name, value);
  svg.append(line);
  return svg;
}

function showRuns(isShown) {
  data.runs.forEach((_, i) => (isShown(i) ? view.hidden.delete(i) : view.hidden.add(i)));
  legend();
  redraw();
}

function legend() {
  $("legend").replaceChildren(...runOrder.map((i) => {
    const run = data.runs[i];
    const box = make("input", {type: "checkbox", onchange: (event) => {
      if (event.target.checked) view.hidden.delete(i);
      else view.hidden.add(i);
      redraw();
    }});
    box.checked = !view.hidden.has(i);
    const state = run.state === "finished" ? null : make("span", {class: run.state}, run.state);
    return make("li", {}, make("label", {title: run.name}, box, swatch(i), make("span", {}, labels[i]), state));
  }));
}

function groupButtons() {
  $("all").addEventListener("click", () => showRuns(() => true));
  $("none").addEventListener("click", () => showRuns(() => false));
  if (groups.length < 2 || groups.length > 30) return;
  $("groups").hidden = false;
  $("groups").append(...groups.map((group) => make("button", {
    type: "button", onclick: () => showRuns((i) => data.runs[i].group === group),
  }, `only ${group || "without a group"}`)));
}

// --- charts ---

const cards = metrics.map((metric) => new (class Card {
  constructor() {
    this.metric = metric;
    this.chart = null;
    this.plot = make("div", {class: "plot", role: "group", tabindex: 0, "aria-roledescription": "chart",
      onkeydown: (event) => this.key(event), onblur: () => this.tell(null)});
    this.reset = make("button", {type: "button", hidden: "", onclick: () => this.chart && this.chart.unzoom()}, "Reset zoom");
    this.button = make("button", {type: "button", "aria-expanded": "false", "aria-label": `Table of ${metric.name}`,
      onclick: () => this.toggleTable()}, "Table");
    this.note = make("p", {class: "note"});
    this.element = make("article", {class: "card", "aria-label": metric.name},
      make("header", {}, make("h3", {}, metric.name), this.reset, this.button), this.plot, this.note);
    this.element.card = this;
  }

  // Draws what can be seen; a chart that has gone out of sight gives its memory back.
  draw() {
    const zoom = this.chart && this.drawnByTime === view.byTime ? this.chart.zoom : null;
    this.clear();
    this.chart = new Chart(this.plot, metric, view, theme(), (what) => this.tell(what));
    this.drawnByTime = view.byTime;
    this.chart.plot.hooks.setScale = [() => { this.reset.hidden = !this.chart.zoom; }];
    if (zoom) this.chart.plot.setScale("x", zoom);
    this.plot.setAttribute("aria-label", this.words());
    this.note.textContent = this.noteText();
    if (this.table) this.fillTable();
  }

  clear() {
    if (this.chart) this.chart.end();
    this.chart = this.tip = null;
    this.reset.hidden = true;
  }

  words() {
    const shown = metric.series.filter((series) => !view.hidden.has(series.run));
    const parts = shown.slice(0, 8).map((series) => {
      const figures = figuresOf(series);
      return `${labels[series.run]} ${numberText(figures.last)}, from ${numberText(figures.least)} to ${numberText(figures.most)}`;
    });
    const more = shown.length > 8 ? `; and ${shown.length - 8} more` : "";
    return `${metric.name} over ${view.byTime ? "time" : "steps"}; last values: ${parts.join("; ")}${more}. ` +
      "Arrow keys move along it.";
  }

  noteText() {
    const notes = metric.series.filter((series) => series.first !== undefined).map((series) => {
      const kinds = [series.nan && `${series.nan} NaN`, series.infinite && `${series.infinite} infinite`].filter(Boolean);
      return `${labels[series.run]}: ${kinds.join(" and ")}, first at step ${series.first}`;
    });
    if (view.log) {
      const low = metric.series.some((series) => figuresOf(series).least <= 0);
      if (!this.chart.layers.log) notes.push("Nothing is above 0: the axis is linear.");
      else if (low) notes.push("What is not above 0 has no place on a log axis.");
    }
    return notes.slice(0, 4).join(" · ") + (notes.length > 4 ? ` · and ${notes.length - 4} more` : "");
  }

  key(event) {
    const far = this.chart ? this.chart.layers.xs.length : 0;
    const by = {ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -far, End: far}[event.key];
    if (!this.chart) return;
    if (by) this.chart.move(by);
    else if (event.key === "Escape") this.chart.unzoom();
    else return;
    event.preventDefault();
    if (this.said) $("live").textContent = this.said;
  }

  tell(what) {
    if (this.tip) this.tip.remove();
    this.tip = this.said = null;
    if (!what || !this.chart) return;
    const rows = what.rows.slice(0, 9);
    this.said = `${what.title}: ${rows.map((row) => `${row.label} ${row.text}`).join("; ")}`;
    this.tip = make("div", {class: "tip"}, make("b", {}, what.title));
    for (const row of rows) {
      const mark = make("i");
      mark.style.background = row.color;
      this.tip.append(make("div", {}, mark, make("span", {}, row.label), make("span", {}, row.text)));
    }
    if (what.rows.length > rows.length) this.tip.append(make("div", {}, `and ${what.rows.length - rows.length} more`));
    const over = this.chart.plot.over;
    over.append(this.tip);
    const isRight = what.left > over.clientWidth / 2;
    this.tip.style[isRight ? "right" : "left"] = `${isRight ? over.clientWidth - what.left + 12 : what.left + 12}px`;
  }

  toggleTable() {
    if (this.table) {
      this.table.remove();
      this.table = null;
    } else {
      this.table = make("div", {class: "scroll", role: "region", tabindex: 0, "aria-label": `${metric.name} as a table`});
      this.element.append(this.table);
      this.fillTable();
    }
    this.button.setAttribute("aria-expanded", String(Boolean(this.table)));
  }

  // The same as the chart: its columns, evenly thinned.
  fillTable() {
    const {xs, runs, spread} = layersOf(metric, {...view, log: false});
    const most = 100, every = Math.max(1, Math.ceil(xs.length / most));
    const rows = [];
    for (let i = 0; i < xs.length; i += every) rows.push(i);
    if (xs.length > 0 && rows[rows.length - 1] !== xs.length - 1) rows.push(xs.length - 1);
    const head = [view.byTime ? "time" : "step", ...(spread ? ["mean"] : []), ...runs.map((run) => labels[run.run])];
    this.table.replaceChildren(tableOf(head, rows.map((i) => [
      view.byTime ? durationText(xs[i]) : numberText(xs[i]),
      ...(spread ? [numberText(spread.mean[i])] : []), ...runs.map((run) => numberText(run.mean[i])),
    ])));
    if (every > 1) this.table.append(make("p", {class: "muted"}, `Every ${every}th of ${amount(xs.length, "point")}.`));
  }
})());

const inSight = new Set();
const sight = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    const card = entry.target.card;
    if (entry.isIntersecting) {
      inSight.add(card);
      if (!card.chart) card.draw();
    } else if (!printing) {
      inSight.delete(card);
      card.clear();
    }
  }
}, {rootMargin: "400px 0px"});
const sizes = new ResizeObserver((entries) => {
  for (const {target} of entries) {
    const {chart, plot} = target.closest(".card").card;
    if (chart && plot.clientWidth !== chart.plot.width) chart.resize(plot.clientWidth, plot.clientHeight);
  }
});

let waiting = false;
function redraw() {
  $("mean-key").hidden = !view.spread;
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    for (const card of inSight) card.draw();
    values();
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

// --- tables ---

// A table of texts and elements; the first column names the row. Columns of which all are numbers, or
// empty, are set to the right.
function tableOf(head, rows) {
  const isNumber = head.map((_, i) => i > 0 && rows.length > 0 && rows.every((row) => typeof row[i] === "string" && /^([−-]?[\d.,]+(e[+-]?\d+)?|NaN|−?∞|)$/.test(row[i])));
  const cell = (tag, content, i, more) => make(tag, {...more, class: isNumber[i] ? "number" : null}, content);
  return make("table", {},
    make("thead", {}, make("tr", {}, ...head.map((text, i) => cell("th", text, i, {scope: "col"})))),
    make("tbody", {}, ...rows.map((row) => make("tr", {}, ...row.map((content, i) =>
      i === 0 ? cell("th", content, i, {scope: "row"}) : cell("td", content, i, {}))))));
}

function fill(id, table) {
  table.id = id;
  $(id).replaceWith(table);
}

function runsTable() {
  const different = data.config.different;
  const head = ["run", "state", "start", "duration", "rows", ...different.map(([key]) => key)];
  fill("runs", tableOf(head, runOrder.map((i) => {
    const run = data.runs[i];
    return [
      labels[i], make("span", {class: run.state}, stateText(run)),
      run.start === undefined ? "" : new Date(run.start * 1000).toLocaleString(),
      durationText(run.seconds), run.rows.toLocaleString("en-US"),
      ...different.map(([, values]) => (values[i] === null ? "" : plain(values[i]))),
    ];
  })));
  const notes = [];
  if (different.length) notes.push("The columns behind “rows” are the config in which the runs differ.");
  if (data.config.left_out) notes.push(`${amount(data.config.left_out, "more key")} of it not shown.`);
  $("runs-note").textContent = notes.join(" ");
}

const mostRows = 200; // of metrics in the table: the search finds the others
function values() {
  const figure = document.querySelector('input[name="figure"]:checked').value;
  const shown = runOrder.filter((i) => !view.hidden.has(i));
  const found = cards.filter((card) => !card.element.hidden).map((card) => card.metric);
  fill("values", tableOf(["metric", ...shown.map((i) => labels[i])], found.slice(0, mostRows).map((metric) => {
    const byRun = new Map(metric.series.map((series) => [series.run, series]));
    return [metric.name, ...shown.map((i) => (byRun.has(i) ? numberText(figuresOf(byRun.get(i))[figure]) : ""))];
  })));
  const rest = found.length - mostRows;
  $("values-note").textContent = rest > 0 ? `And ${amount(rest, "more metric")}: search for them above.` : "";
  $("values-section").hidden = metrics.length === 0;
}

function configTable() {
  $("config-section").hidden = data.config.same.length === 0;
  const value = (json) => make("span", {}, plain(json));
  fill("config", tableOf(["key", "value"], data.config.same.map(([key, json]) => [key, value(json)])));
}

function textsList() {
  $("texts-section").hidden = data.texts.length === 0 && data.others.length === 0;
  for (const texts of data.texts) {
    const words = `${data.keys[texts.key]} · ${labels[texts.run]} (${amount(texts.all, "text")}` +
      `${texts.all > texts.latest.length ? `, the last ${texts.latest.length} are here` : ""})`;
    $("texts").append(make("details", {}, make("summary", {}, words), ...texts.latest.flatMap(([step, json]) => [
      make("p", {class: "muted"}, `step ${step}`), make("pre", {}, plain(json)),
    ])));
  }
  if (data.others.length) {
    const list = data.others.map(([key, count]) => `${data.keys[key]} (${count})`).join(", ");
    $("texts").append(make("p", {class: "muted"}, `Not in this report, because they are neither numbers nor texts: ${list}.`));
  }
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
  $("mean-key").hidden = !view.spread;
}

const mostPrinted = 200;
function setPrinting(on) {
  printing = on;
  document.documentElement.classList.toggle("print", on);
  legend();
  const all = on ? cards.filter((card) => !card.element.hidden).slice(0, mostPrinted) : [...inSight];
  for (const card of cards) if (!on && !inSight.has(card)) card.clear();
  for (const card of all) card.draw();
}

describe();
problems();
groupButtons();
controls();
legend();
$("grid").append(...cards.map((card) => card.element));
search();
runsTable();
configTable();
textsList();
for (const card of cards) {
  sight.observe(card.element);
  sizes.observe(card.plot);
}
dark.addEventListener("change", () => { legend(); redraw(); });
addEventListener("beforeprint", () => setPrinting(true));
addEventListener("afterprint", () => setPrinting(false));

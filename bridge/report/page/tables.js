// The tables below the charts.
"use strict";

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

const mostCells = 20000; // of the table of metrics: the search finds the others
function values() {
  const figure = document.querySelector('input[name="figure"]:checked').value;
  const shown = runOrder.filter((i) => !view.hidden.has(i));
  const found = cards.filter((card) => !card.element.hidden).map((card) => card.metric);
  const mostRows = Math.max(10, Math.floor(mostCells / Math.max(shown.length, 1)));
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

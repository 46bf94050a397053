// One chart: the curves of a metric's runs, their mean and spread, drawn by uPlot, with what the
// pointer or the arrow keys point at. report.js makes and ends them.
"use strict";

const themes = {
  light: {
    text: "#1d232b", muted: "#646e7a", grid: "#e9ecf0",
    runs: ["#2f6fb0", "#c8553d", "#3a8f6b", "#8a5fb0", "#b07d0b", "#2a93a3", "#b54a7d", "#6b7a2f", "#5566c9", "#8c6d5a"],
  },
  dark: {
    text: "#e4e8ee", muted: "#98a3b0", grid: "#262e37",
    runs: ["#6aa9e9", "#ec8a73", "#6cc49d", "#b996df", "#dbb455", "#66c5d4", "#e388b4", "#acbd68", "#929dee", "#c2a48f"],
  },
};
const dashes = [[], [7, 3], [2, 3], [10, 3, 2, 3]];

function colorOf(run, theme) {
  return theme.runs[rankOf.get(run) % theme.runs.length];
}
function dashOf(run, theme) {
  return dashes[Math.floor(rankOf.get(run) / theme.runs.length) % dashes.length];
}

// A curve as the chart is to show it: points in the order of x.
function shapedCurve(series, view) {
  const curve = curveOf(series);
  let order = null;
  const all = view.byTime ? Float64Array.from(curve.times) : curve.steps;
  if (view.byTime) {
    // Steps that were logged late, and rows that do not say when they were.
    order = Array.from(all.keys()).filter((i) => !Number.isNaN(all[i])).sort((a, b) => all[a] - all[b] || a - b);
  }
  const take = (values) => values && (order ? Float64Array.from(order, (i) => values[i]) : values);
  const raw = take(curve.mean);
  const shaped = {run: curve.run, x: take(all), least: take(curve.least), most: take(curve.most), mean: raw};
  if (view.smoothing > 0) Object.assign(shaped, {mean: smooth(raw, view.smoothing), raw});
  return shaped;
}

// What a chart draws: columns, and lines as {values, band: [high, low]} from back to front.
function layersOf(metric, view) {
  const shown = metric.series.filter((series) => !view.hidden.has(series.run));
  const curves = shown.map((series) => shapedCurve(series, view)).filter((curve) => curve.x.length > 0);
  const columns = columnsOf(curves);
  curves.sort((a, b) => rankOf.get(a.run) - rankOf.get(b.run));
  const runs = curves.map((curve) => ({run: curve.run, ...align(curve, columns)}));
  const spread = view.spread && runs.length > 1 ? spreadOf(runs.map((run) => run.mean), columns.xs) : null;
  const all = [...runs.flatMap((run) => [run.mean, run.raw, run.least, run.most]), ...Object.values(spread || {})];
  let log = view.log;
  if (log) log = keepPositive(all.filter(Boolean));
  return {xs: columns.xs, runs, spread, log};
}

// For a logarithmic axis: what is not above 0 has no place on it; what bounds an area reaches its end.
// False: nothing is above 0.
function keepPositive(lists) {
  let least = Infinity;
  for (const values of lists) for (const value of values) if (value > 0 && value < least) least = value;
  if (least === Infinity) return false;
  for (const values of lists) {
    values.forEach((value, i) => {
      if (value !== undefined && value !== null && value <= 0) values[i] = null;
    });
  }
  return true;
}

function withAlpha(color, alpha) {
  return color + Math.round(alpha * 255).toString(16).padStart(2, "0");
}

// Series and bands for uPlot, areas behind lines.
function drawingOf(layers, theme) {
  const columns = [layers.xs], series = [{}], bands = [];
  const area = (high, low, fill) => {
    bands.push({series: [columns.length, columns.length + 1], fill});
    for (const values of [high, low]) {
      columns.push(values);
      series.push({stroke: "transparent", width: 0, points: {show: false}});
    }
  };
  const line = (values, stroke, width, dash, points = {}) => {
    columns.push(values);
    series.push({stroke, width, dash, points: {size: 4, fill: stroke, width: 0, ...points}});
  };
  // The more curves, the lighter each: what they have in common is the mean.
  const many = layers.runs.length > 8 && layers.spread;
  for (const run of layers.runs) {
    if (run.least) area(run.most, run.least, withAlpha(colorOf(run.run, theme), many ? 0.06 : 0.16));
  }
  if (layers.spread) area(layers.spread.high, layers.spread.low, withAlpha(theme.text, 0.17));
  for (const run of layers.runs) {
    if (run.raw) line(run.raw, withAlpha(colorOf(run.run, theme), 0.25), 1, [], {show: false});
  }
  for (const run of layers.runs) {
    const color = withAlpha(colorOf(run.run, theme), many ? 0.45 : 1);
    line(run.mean, color, many ? 1 : 1.5, dashOf(run.run, theme), many ? {show: false} : {});
  }
  if (layers.spread) line(layers.spread.mean, theme.text, 2, [], {show: false});
  return {columns, series, bands};
}

function axesOf(view, theme) {
  const common = {
    stroke: theme.muted, font: "11px system-ui, sans-serif",
    grid: {stroke: theme.grid, width: 1}, ticks: {show: false},
  };
  const short = (value) => (value === null ? "" : Math.abs(value) >= 1e4
    ? Intl.NumberFormat("en-US", {notation: "compact", maximumFractionDigits: 2}).format(value) : numberText(value, 6));
  return [
    {...common, size: 28, values: (_, ticks) => ticks.map(view.byTime ? durationText : short)},
    {
      ...common,
      size: (u, values) => 16 + 6.2 * Math.max(3, ...(values || []).map((text) => (text || "").length)),
      values: (_, ticks) => ticks.map(short),
    },
  ];
}

class Chart {
  // `place`: an empty element of a fixed height, which the chart fills; `tell(lines)` is called with
  // what is pointed at: {title, rows: [{label, value, color}]}, or null.
  constructor(place, metric, view, theme, tell) {
    this.layers = layersOf(metric, view);
    this.view = view;
    this.theme = theme;
    this.tell = tell;
    this.width = Math.max(1, ...metric.series.map((series) => axisOf(series.axis).width));
    const drawing = drawingOf(this.layers, theme);
    this.plot = new uPlot({
      width: Math.max(place.clientWidth, 120), height: place.clientHeight,
      legend: {show: false},
      padding: [12, 10, 0, 0],
      cursor: {y: false, points: {show: false}, drag: {x: true, y: false, dist: 4}, sync: {key: "x"}},
      scales: {x: {time: false}, y: this.layers.log ? {distr: 3, log: 10} : {}},
      axes: axesOf(view, theme),
      series: drawing.series,
      bands: drawing.bands,
      hooks: {setCursor: [(u) => this.point(u)]},
    }, drawing.columns, place);
    this.active = false;
    this.plot.over.addEventListener("mouseenter", () => { this.active = true; });
    this.plot.over.addEventListener("mouseleave", () => { this.active = false; this.tell(null); });
  }

  end() {
    this.plot.destroy();
  }

  resize(width, height) {
    this.plot.setSize({width: Math.max(width, 120), height});
  }

  get zoom() {
    const {min, max} = this.plot.scales.x;
    const xs = this.layers.xs;
    return xs.length > 0 && (min > xs[0] || max < xs[xs.length - 1]) ? {min, max} : null;
  }

  unzoom() {
    const xs = this.layers.xs;
    this.plot.setScale("x", {min: xs[0], max: xs[xs.length - 1]});
  }

  // Moves what is pointed at by so many columns, to the first or to the last one.
  move(by) {
    const most = this.layers.xs.length - 1;
    if (most < 0) return;
    const from = this.column === undefined ? (by > 0 ? -1 : most + 1) : this.column;
    this.column = Math.min(Math.max(from + by, 0), most);
    this.active = true;
    this.plot.setCursor({left: this.plot.valToPos(this.layers.xs[this.column], "x"), top: 10});
    this.tellColumn(this.column);
    this.active = false;
  }

  point(u) {
    if (!this.active) return;
    if (u.cursor.idx === null || u.cursor.idx === undefined || u.cursor.left < 0) return this.tell(null);
    this.column = u.cursor.idx;
    this.tellColumn(this.column);
  }

  // Of each run the point that is nearest to the column, if it has begun and not ended there.
  tellColumn(column) {
    const rows = [];
    for (const run of this.layers.runs) {
      const i = nearest(run.mean, column);
      if (i === null) continue;
      const range = run.least && run.least[i] !== run.most[i]
        ? ` (${numberText(run.least[i])} to ${numberText(run.most[i])})` : "";
      rows.push({label: labels[run.run], value: run.mean[i], text: numberText(run.mean[i]) + range,
        color: colorOf(run.run, this.theme)});
    }
    rows.sort((a, b) => b.value - a.value);
    const spread = this.layers.spread;
    if (spread && spread.mean[column] !== undefined && spread.mean[column] !== null) {
      const mean = spread.mean[column];
      const deviation = spread.high[column] === null ? null : spread.high[column] - mean;
      rows.unshift({label: "mean ± deviation", color: this.theme.text,
        text: numberText(mean) + (deviation === null ? "" : ` ± ${numberText(deviation, 3)}`)});
    }
    this.tell({title: this.title(this.layers.xs[column]), rows, left: this.plot.valToPos(this.layers.xs[column], "x")});
  }

  title(x) {
    if (this.view.byTime) return `${durationText(x)} after the start`;
    const first = `step ${x.toLocaleString("en-US")}`;
    return this.width > 1 ? `${first} to ${(x + this.width - 1).toLocaleString("en-US")}` : first;
  }
}

// The place of the value that is nearest to a place; null: there are none before it, or none behind it.
function nearest(values, place) {
  const has = (i) => values[i] !== undefined && values[i] !== null;
  if (has(place)) return place;
  let before = place - 1, behind = place + 1;
  while (before >= 0 && !has(before)) --before;
  while (behind < values.length && !has(behind)) ++behind;
  if (before < 0 || behind >= values.length) return null;
  return place - before <= behind - place ? before : behind;
}

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

// Runs of one group are told apart by their colours; where there are several groups, these are.
function isByGroup(view) {
  return new Set(data.runs.filter((_, i) => !view.hidden.has(i)).map((run) => run.group)).size > 1;
}
function groupColor(group, theme) {
  return theme.runs[groups.indexOf(group) % theme.runs.length];
}
function colorOf(run, theme, byGroup) {
  return byGroup ? groupColor(data.runs[run].group, theme) : theme.runs[rankOf.get(run) % theme.runs.length];
}
function dashOf(run, theme, byGroup) {
  return byGroup ? [] : dashes[Math.floor(rankOf.get(run) / theme.runs.length) % dashes.length];
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
  const spreads = view.spread ? groupSpreads(runs, columns.xs) : [];
  const lists = [...runs.flatMap((run) => [run.mean, run.raw, run.least, run.most]),
    ...spreads.flatMap((spread) => [spread.mean, spread.low, spread.high])];
  const log = view.log && keepPositive(lists.filter(Boolean));
  return {xs: columns.xs, runs, spreads, log, byGroup: isByGroup(view)};
}

// Mean and spread of each group of which two or more runs are there.
function groupSpreads(runs, xs) {
  const spreads = [];
  for (const group of groups) {
    const members = runs.filter((run) => data.runs[run.run].group === group);
    if (members.length > 1) spreads.push({group, ...spreadOf(members.map((run) => run.mean), xs)});
  }
  return spreads;
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

// The span of an axis is to be a number, too.
const mostDrawn = 1e300;
function drawable(values) {
  if (!values.some((value) => Math.abs(value) > mostDrawn)) return values;
  return Array.from(values, (value) => (value ? Math.min(Math.max(value, -mostDrawn), mostDrawn) : value));
}

const mostDots = 40;

// Series and bands for uPlot, areas behind lines; and which series is a run's line.
function drawingOf(layers, theme) {
  const columns = [layers.xs], series = [{}], bands = [], lines = new Map();
  const area = (high, low, fill) => {
    bands.push({series: [columns.length, columns.length + 1], fill});
    for (const values of [high, low]) {
      columns.push(drawable(values));
      series.push({stroke: "transparent", width: 0, points: {show: false}});
    }
  };
  const line = (values, stroke, width, dash, points = {}) => {
    columns.push(drawable(values));
    // With round ends a line that is shorter than a pixel is a dot.
    series.push({stroke, width, dash, cap: dash.length ? "butt" : "round", points: {size: 4, fill: stroke, width: 0, ...points}});
  };
  // The more curves, the lighter each: what they have in common is the mean.
  const {runs, spreads, byGroup} = layers;
  const many = spreads.length > 0 && (runs.length > 8 || byGroup);
  const color = (run) => colorOf(run.run, theme, byGroup);
  const meanColor = (spread) => (byGroup ? groupColor(spread.group, theme) : theme.text);
  for (const run of runs) if (run.least) area(run.most, run.least, withAlpha(color(run), many ? 0.06 : 0.16));
  for (const spread of spreads) area(spread.high, spread.low, withAlpha(meanColor(spread), 0.17));
  for (const run of runs) if (run.raw) line(run.raw, withAlpha(color(run), many ? 0.12 : 0.25), 1, [], {show: false});
  for (const run of runs) {
    lines.set(run.run, columns.length);
    const dash = dashOf(run.run, theme, byGroup);
    // Few points are seen as such, also where all of them are in one place; of others uPlot decides.
    const isShort = run.mean.filter((value) => value !== undefined && value !== null).length <= mostDots;
    const points = many ? {show: false} : isShort ? {show: true} : {};
    line(run.mean, withAlpha(color(run), many ? 0.45 : 1), many ? 1 : 1.5, dash, points);
  }
  for (const spread of spreads) line(spread.mean, meanColor(spread), 2, [], {show: false});
  return {columns, series, bands, lines};
}

// Of time axes: seconds between two marks that people count in.
const timeSteps = [
  1, 2, 5, 10, 15, 30, ...[1, 2, 5, 10, 15, 30].map((minutes) => minutes * 60),
  ...[1, 2, 3, 6, 12, 24, 48, 120, 240, 480, 1200, 2400].map((hours) => hours * 3600),
];

const compact = new Intl.NumberFormat("en-US", {notation: "compact", maximumFractionDigits: 2});

// "20K", or all digits where such words would be the same; a logarithmic axis has marks without words.
function markTexts(marks) {
  const given = marks.filter((mark) => mark !== null);
  const text = (mark) => (Math.abs(mark) >= 1e4 && Math.abs(mark) < 1e15 ? compact.format(mark) : numberText(mark, 6));
  const areDifferent = new Set(given.map(text)).size === given.length;
  return marks.map((mark) => (mark === null ? "" : areDifferent ? text(mark) : mark.toLocaleString("en-US", {maximumSignificantDigits: 15})));
}

// Of axes of steps: whole numbers.
const wholeSteps = Array.from({length: 19}, (_, i) => 10 ** i).flatMap((unit) => [unit, 2 * unit, 5 * unit]);

function axesOf(view, theme) {
  const common = {
    stroke: theme.muted, font: "11px system-ui, sans-serif",
    grid: {stroke: theme.grid, width: 1}, ticks: {show: false},
  };
  return [
    view.byTime
      ? {...common, size: 28, space: 70, incrs: [0.001, 0.01, 0.1, ...timeSteps], values: (_, marks) => marks.map(durationText)}
      : {...common, size: 28, space: (u, axis, min, max) => (max > 1e7 ? 110 : 60), incrs: wholeSteps, values: (_, marks) => markTexts(marks)},
    {
      ...common,
      size: (u, values) => 16 + 6.2 * Math.max(3, ...(values || []).map((text) => (text || "").length)),
      values: (_, marks) => markTexts(marks),
    },
  ];
}

class Chart {
  // `place`: an empty element of a fixed height, which the chart fills; `tell()` is called with what is
  // pointed at, {title, rows: [{label, text, color}], left: pixels}, or null.
  constructor(place, metric, view, theme, tell) {
    this.layers = layersOf(metric, view);
    this.view = view;
    this.theme = theme;
    this.tell = tell;
    this.width = Math.max(1, ...metric.series.map((series) => axisOf(series.axis).width));
    const drawing = drawingOf(this.layers, theme);
    this.lines = drawing.lines;
    this.plot = new uPlot({
      width: Math.max(place.clientWidth, 120), height: place.clientHeight,
      legend: {show: false},
      padding: [12, view.byTime ? 22 : 12, 0, 0],
      cursor: {y: false, points: {show: false}, drag: {x: true, y: false, dist: 4}, sync: {key: "x"}},
      scales: {x: {time: false}, y: this.layers.log ? {distr: 3, log: 10} : {}},
      axes: axesOf(view, theme),
      series: drawing.series,
      focus: {alpha: 0.12},
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

  // Lets the line of a run stand out, or none (null).
  highlight(run) {
    this.plot.setSeries(this.lines.has(run) ? this.lines.get(run) : null, {focus: true});
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
    const column = Math.min(Math.max(from + by, 0), most);
    // uPlot finds the column of a pixel, and there may be several in one.
    const wasActive = this.active;
    this.active = false;
    this.plot.setCursor({left: this.plot.valToPos(this.layers.xs[column], "x"), top: 10});
    this.active = wasActive;
    this.column = column;
    this.tellColumn(column);
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
        color: colorOf(run.run, this.theme, this.layers.byGroup)});
    }
    rows.sort((a, b) => b.value - a.value);
    const means = this.layers.spreads.map((spread) => this.meanRow(spread, column)).filter(Boolean);
    rows.unshift(...means);
    this.tell({title: this.title(this.layers.xs[column]), rows, left: this.plot.valToPos(this.layers.xs[column], "x")});
  }

  meanRow(spread, column) {
    const mean = spread.mean[column], high = spread.high[column];
    if (mean === undefined || mean === null) return null;
    const text = numberText(mean) + (high === null || high === undefined ? "" : ` ± ${numberText(high - mean, 3)}`);
    return this.layers.byGroup
      ? {label: `${groupName(spread.group)}, mean`, text, color: groupColor(spread.group, this.theme)}
      : {label: "mean ± deviation", text, color: this.theme.text};
  }

  title(x) {
    const how = this.view.smoothing > 0 ? ", smoothed" : "";
    if (this.view.byTime) return `${durationText(x)} after the start${how}`;
    const last = this.width > 1 ? ` to ${(x + this.width - 1).toLocaleString("en-US")}` : "";
    return `step ${x.toLocaleString("en-US")}${last}${how}`;
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

// The report's data, decoded when it is asked for, and what is calculated from it: labels, smoothing,
// mean and spread. Nothing here touches the page. chart.js and report.js use it.
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);

// --- curves ---

// Numbers as page_text.h writes them: little-endian, as are all machines that run browsers.
function decode(base64, Numbers) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; ++i) bytes[i] = text.charCodeAt(i);
  return new Numbers(bytes.buffer);
}

// Where the bins of a series begin, in steps; when, in seconds since the run's start; how many values
// they hold (null: one each).
function axisOf(index) {
  const axis = data.axes[index];
  if (!axis.steps) {
    axis.width = 2 ** axis.shift;
    axis.steps = new Float64Array(axis.places.length);
    for (let i = 0, place = 0; i < axis.places.length; ++i) {
      place += axis.places[i];
      axis.steps[i] = place * axis.width;
    }
    axis.times = decode(axis.times, Float32Array);
    axis.counts = axis.counts || null;
  }
  return axis;
}

// A series with all of its numbers. Where bins hold one value each, least and most are null.
function curveOf(series) {
  if (!series.curve) {
    const axis = axisOf(series.axis);
    series.curve = {
      run: series.run,
      steps: axis.steps,
      times: axis.times,
      width: axis.width,
      mean: decode(series.mean, Float64Array),
      least: series.least ? decode(series.least, Float64Array) : null,
      most: series.most ? decode(series.most, Float64Array) : null,
    };
  }
  return series.curve;
}

// What tables say of a series: numbers, NaN where it has no finite value.
function figuresOf(series) {
  if (!series.figures) {
    const curve = curveOf(series);
    const counts = axisOf(series.axis).counts;
    let least = NaN, most = NaN, sum = 0, count = 0;
    curve.mean.forEach((mean, i) => {
      if (Number.isNaN(mean)) return;
      const low = curve.least ? curve.least[i] : mean;
      const high = curve.most ? curve.most[i] : mean;
      if (!(least <= low)) least = low;
      if (!(most >= high)) most = high;
      const more = counts ? counts[i] : 1;
      count += more;
      sum += (mean - sum) * (more / count);
    });
    series.figures = {last: Number(series.last), least, most, mean: count ? sum : NaN, count};
  }
  return series.figures;
}

const inOrder = new Intl.Collator(undefined, {numeric: true}); // 2 before 10

// The metrics in the order in which people look for them, each with its series by run.
const metrics = (() => {
  const byKey = new Map();
  for (const series of data.series) {
    const key = series.histograms ? `${series.key} h` : series.key;
    const name = data.keys[series.key] + (series.histograms ? " (histogram)" : "");
    if (!byKey.has(key)) byKey.set(key, {name, isHistogram: Boolean(series.histograms), series: []});
    byKey.get(key).series.push(series);
  }
  return [...byKey.values()].sort((a, b) => inOrder.compare(a.name, b.name));
})();

// --- names of runs ---

// What the names end in all, from a hyphen on: "-job-run" of "site-1-job-run" and "site-2-job-run".
function commonEnd(names) {
  let end = names[0];
  for (const name of names) {
    while (!name.endsWith(end)) end = end.slice(1);
  }
  while (end && (!end.startsWith("-") || names.some((name) => name === end))) end = end.slice(1);
  return end;
}

// Short names, each of one run only. A run is called as its site, job and run name; all sites of a job
// have the same group.
function labelsOf(runs) {
  const names = runs.map((run) => run.name || run.id || run.log);
  const groups = new Map();
  runs.forEach((run, i) => groups.set(run.group, [...(groups.get(run.group) || []), i]));
  const labels = [...names];
  for (const [group, members] of groups) {
    const different = [...new Set(members.map((i) => names[i]))];
    const end = different.length > 1 ? commonEnd(different) : "";
    for (const i of members) {
      const short = names[i].slice(0, names[i].length - end.length);
      labels[i] = groups.size > 1 && end && group ? `${short} · ${group}` : short;
    }
  }
  const seen = new Map();
  return labels.map((label) => {
    const times = (seen.get(label) || 0) + 1;
    seen.set(label, times);
    return times === 1 ? label : `${label} (${times})`;
  });
}

const labels = labelsOf(data.runs);
const groups = [...new Set(data.runs.map((run) => run.group))].sort(inOrder.compare);
const groupName = (group) => group || "without a group";
// The runs in the order in which people look for them, and the place of each in it.
const runOrder = [...labels.keys()].sort((a, b) =>
  groups.indexOf(data.runs[a].group) - groups.indexOf(data.runs[b].group) || inOrder.compare(labels[a], labels[b]));
const rankOf = new Map(runOrder.map((run, rank) => [run, rank]));

// --- calculations ---

// Moving average with weight^n for the value n points before; values that are NaN stay so and count
// nothing. The first points are not drawn towards 0.
function smooth(values, weight) {
  if (weight <= 0) return values;
  let sum = 0, all = 0;
  return values.map((value) => {
    if (Number.isNaN(value)) return value;
    sum = sum * weight + value * (1 - weight);
    all = all * weight + (1 - weight);
    return sum / all;
  });
}

const mostColumns = 3000; // of a chart: no screen shows more

// The columns of a chart: where points of the curves are, or, if these are too many, a grid.
function columnsOf(curves) {
  const all = new Set();
  for (const curve of curves) for (const x of curve.x) all.add(x);
  const xs = Float64Array.from(all).sort();
  if (xs.length <= mostColumns) return {xs, at: (x, from) => seek(xs, x, from)};
  const first = xs[0], width = (xs[xs.length - 1] - first) / (mostColumns - 1);
  return {
    xs: Float64Array.from({length: mostColumns}, (_, i) => first + i * width),
    at: (x) => Math.round((x - first) / width),
  };
}

function seek(xs, x, from) {
  while (xs[from] < x) ++from;
  return from;
}

// A curve's values by column: undefined where it has no point, null where its value is not finite.
function align(curve, columns) {
  const aligned = {};
  for (const [name, choose] of [["mean", null], ["raw", null], ["least", Math.min], ["most", Math.max]]) {
    if (!curve[name]) continue;
    const values = new Array(columns.xs.length).fill(undefined);
    const counts = new Map();
    let column = 0;
    curve.x.forEach((x, i) => {
      column = columns.at(x, column);
      const value = curve[name][i], before = values[column];
      if (Number.isNaN(value)) {
        if (before === undefined) values[column] = null;
      } else if (before === undefined || before === null) {
        values[column] = value;
      } else if (choose) {
        values[column] = choose(before, value);
      } else {
        const count = (counts.get(column) || 1) + 1;
        counts.set(column, count);
        values[column] = before + (value - before) / count;
      }
    });
    aligned[name] = values;
  }
  return aligned;
}

// The values between a curve's points, on straight lines; NaN before its first and behind its last.
function fillBetween(values, xs) {
  const filled = new Float64Array(xs.length).fill(NaN);
  let before = -1;
  values.forEach((value, i) => {
    if (value === undefined || value === null) return;
    filled[i] = value;
    for (let j = before + 1; before >= 0 && j < i; ++j) {
      const share = (xs[j] - xs[before]) / (xs[i] - xs[before]);
      filled[j] = filled[before] * (1 - share) + value * share;
    }
    before = i;
  });
  return filled;
}

// Mean and standard deviation of the runs in each column in which two or more have a value, and in which
// they are numbers.
function spreadOf(listOfValues, xs) {
  const all = listOfValues.map((values) => fillBetween(values, xs));
  const nothing = () => new Array(xs.length).fill(undefined);
  const spread = {mean: nothing(), low: nothing(), high: nothing()};
  for (let i = 0; i < xs.length; ++i) {
    const here = all.map((values) => values[i]).filter((value) => !Number.isNaN(value));
    if (here.length < 2) continue;
    let mean = 0;
    for (const value of here) mean += value / here.length;
    const deviation = Math.sqrt(here.reduce((sum, value) => sum + (value - mean) ** 2 / here.length, 0));
    spread.mean[i] = mean;
    if (!Number.isFinite(deviation)) continue; // the square of a large number
    spread.low[i] = mean - deviation;
    spread.high[i] = mean + deviation;
  }
  return spread;
}

// --- words ---

function numberText(value, digits = 5) {
  if (value === null || value === undefined) return "";
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "NaN" : value < 0 ? "−∞" : "∞";
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e9) return value.toLocaleString("en-US");
  if (size !== 0 && (size < 1e-4 || size >= 1e9)) return value.toExponential(digits - 2).replace(/\.?0+e/, "e");
  return String(Number(value.toPrecision(digits)));
}

function durationText(seconds) {
  if (!Number.isFinite(seconds)) return "";
  const sign = seconds < 0 ? "−" : "", s = Math.abs(seconds);
  if (s < 120) return `${sign}${Number(s.toPrecision(3))} s`;
  if (s < 7200) return `${sign}${Number((s / 60).toPrecision(3))} min`;
  return `${sign}${Number((s / 3600).toPrecision(3))} h`;
}

function amount(number, what) {
  return `${number.toLocaleString("en-US")} ${what}${number === 1 ? "" : "s"}`;
}

// A value of a config, or a text: strings without their quotes.
function plain(json) {
  try {
    const value = JSON.parse(json);
    return typeof value === "string" ? value : json;
  } catch {
    return json; // NaN and Infinity, and what was cut
  }
}

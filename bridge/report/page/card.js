// The cards: each has a metric's chart, which is drawn while it can be seen, and its table.
"use strict";

const cards = metrics.map((metric) => new (class Card {
  constructor() {
    this.metric = metric;
    this.chart = null;
    this.plot = make("div", {class: "plot", role: "group", tabindex: 0, "aria-roledescription": "chart", "aria-label": metric.name,
      onkeydown: (event) => this.key(event), onblur: () => this.tell(null)});
    this.reset = make("button", {type: "button", hidden: "", onclick: () => this.chart && this.chart.unzoom()}, "Reset zoom");
    this.button = make("button", {type: "button", "aria-expanded": "false", "aria-label": `Table of ${metric.name}`,
      onclick: () => this.toggleTable()}, "Table");
    this.note = make("p", {class: "note"});
    this.hint = make("p", {class: "hint muted"});
    this.element = make("article", {class: "card", "aria-label": metric.name},
      make("header", {}, make("h3", {title: metric.name}, metric.name), this.reset, this.button), this.plot, this.note, this.hint);
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
    this.hint.textContent = this.hintText();
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
    return notes.slice(0, 4).join(" · ") + (notes.length > 4 ? ` · and ${notes.length - 4} more` : "");
  }

  hintText() {
    const words = this.metric.isHistogram ? "Medians, and the band in which 90 % of each histogram lie." : "";
    return [words, this.logHintText()].filter(Boolean).join(" ");
  }

  logHintText() {
    if (!view.log) return "";
    if (!this.chart.layers.log) return "Nothing is above 0: the axis is linear.";
    const isLow = this.metric.series.some((series) => figuresOf(series).least <= 0);
    return isLow ? "What is not above 0 has no place on a log axis." : "";
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
    const {xs, runs, spreads, byGroup} = layersOf(metric, {...view, log: false});
    const most = 100, every = Math.max(1, Math.ceil(xs.length / most));
    const rows = [];
    for (let i = 0; i < xs.length; i += every) rows.push(i);
    if (xs.length > 0 && rows[rows.length - 1] !== xs.length - 1) rows.push(xs.length - 1);
    const head = [view.byTime ? "time" : "step", ...spreads.map((spread) => (byGroup ? `mean of ${groupName(spread.group)}` : "mean")), ...runs.map((run) => labels[run.run])];
    this.table.replaceChildren(tableOf(head, rows.map((i) => [
      view.byTime ? durationText(xs[i]) : numberText(xs[i]),
      ...spreads.map((spread) => numberText(spread.mean[i])), ...runs.map((run) => numberText(run.mean[i])),
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

// What was logged as texts: values of rows, by key and run; files; what programs wrote on their
// consoles.
"use strict";

const ofRuns = []; // {run, element}: parts that are hidden with their run

function ofRun(run, element) {
  ofRuns.push({run, element});
  return element;
}

function showTexts() {
  for (const {run, element} of ofRuns) element.hidden = view.hidden.has(run);
}

// What a person opens.
function folded(words, ...children) {
  return make("details", {"aria-label": words}, make("summary", {}, words), ...children);
}

function textOfRun(name, texts) {
  const {latest, all, run} = texts;
  const pre = make("pre", {tabindex: 0, role: "region", "aria-label": `${name} of ${labels[run]}`});
  const show = (at) => { pre.textContent = latest[at] ? plain(latest[at][1]) : ""; };
  const select = make("select", {"aria-label": `Step of ${name} of ${labels[run]}`, onchange: () => show(Number(select.value))},
    ...latest.map(([step], i) => make("option", {value: i}, numberText(step))));
  select.value = String(latest.length - 1);
  show(latest.length - 1);
  const here = all > latest.length ? `the last ${latest.length} of ${amount(all, "text")}` : amount(all, "text");
  return ofRun(run, make("div", {class: "text"},
    make("p", {}, make("b", {}, labels[run]), " ", latest.length ? make("label", {class: "muted"}, "step ", select) : null,
      make("span", {class: "muted"}, ` ${here}`)), pre));
}

function textsByKey() {
  const byKey = new Map();
  for (const texts of data.texts) byKey.set(texts.key, [...(byKey.get(texts.key) || []), texts]);
  const keys = [...byKey.keys()].sort((a, b) => inOrder.compare(data.keys[a], data.keys[b]));
  return keys.map((key) => {
    const list = byKey.get(key).sort((a, b) => rankOf.get(a.run) - rankOf.get(b.run));
    const all = list.reduce((sum, texts) => sum + texts.all, 0);
    const name = data.keys[key];
    return folded(`${name} (${amount(all, "text")} of ${amount(list.length, "run")})`, ...list.map((texts) => textOfRun(name, texts)));
  });
}

function textFiles() {
  const files = [...data.files].sort((a, b) => inOrder.compare(a.name, b.name) || rankOf.get(a.run) - rankOf.get(b.run));
  return files.map((file) => ofRun(file.run, folded(`${file.name} · ${labels[file.run]}`, make("pre", {}, file.text))));
}

function textsSection() {
  const notes = [];
  if (data.others.length) {
    const list = data.others.map(([key, count]) => `${data.keys[key]} (${count})`).join(", ");
    notes.push(`Not in this report, because they are neither numbers nor texts nor images: ${list}.`);
  }
  data.runs.forEach((run, i) => {
    if (run.other_files) notes.push(`${labels[i]}: ${amount(run.other_files, "file")} not in this report: too large, or no text.`);
  });
  $("texts").append(...textsByKey(), ...textFiles(), ...notes.map((note) => make("p", {class: "muted"}, note)));
  $("texts-section").hidden = $("texts").childElementCount === 0;
}

// A browser's own search looks into what is folded, too, and opens it.
function consolesSection() {
  $("consoles-section").hidden = data.consoles.length === 0;
  const list = [...data.consoles].sort((a, b) => rankOf.get(a.run) - rankOf.get(b.run));
  $("consoles").append(...list.map(({run, lines, text}) => {
    const here = text.split("\n").length - 1;
    const words = here < lines ? `the last ${here.toLocaleString("en-US")} of ${amount(lines, "line")}` : amount(lines, "line");
    return ofRun(run, folded(`${labels[run]} (${words})`,
      make("pre", {class: "console", tabindex: 0, role: "region", "aria-label": `Console of ${labels[run]}`}, text)));
  }));
}

// The images: of each key a card, in which each run has a figure with a step of its own. A picture is
// in the page's memory while its card can be seen.
"use strict";

// A picture of few pixels is shown larger, in whole multiples.
function scaleOf(picture) {
  return Math.max(1, Math.floor(140 / Math.max(picture.width, picture.height, 1)));
}

function pictureOf(index, caption, words) {
  const picture = data.images.pictures[index];
  const scale = scaleOf(picture);
  const image = make("img", {
    alt: caption ? `${words}: ${caption}` : words, class: scale > 1 ? "small" : null,
    width: picture.width * scale, height: picture.height * scale, onerror: () => {
      image.replaceWith(make("p", {class: "note"}, "This browser can't draw the image."));
    },
  });
  image.src = `data:image/${picture.type};base64,${picture.bytes}`;
  return make("div", {class: "picture"}, image, caption ? make("p", {class: "caption"}, caption) : null);
}

// A slider over steps, with what it is at.
function stepSlider(steps, word, label, choose) {
  const said = make("output", {}, String(steps[steps.length - 1]));
  const input = make("input", {type: "range", min: 0, max: steps.length - 1, value: steps.length - 1, "aria-label": label,
    oninput: () => { show(Number(input.value)); choose(Number(input.value)); }});
  const show = (at) => {
    input.value = String(at);
    said.textContent = numberText(steps[at]);
    input.setAttribute("aria-valuetext", `step ${numberText(steps[at])}`);
  };
  show(steps.length - 1);
  return {element: make("label", {class: "slider"}, word, input, " ", said), show};
}

class Figure {
  constructor(name, series) {
    this.series = series;
    this.at = series.steps.length - 1;
    this.name = `${name} of ${labels[series.run]}`;
    this.pictures = make("div", {class: "pictures"});
    const steps = series.steps.map(([step]) => step);
    this.slider = steps.length > 0 && stepSlider(steps, "step", `Step of ${this.name}`, (at) => { this.at = at; this.draw(); });
    const shown = series.steps.reduce((sum, [, images]) => sum + images.length, 0);
    const words = series.all > shown ? `${shown.toLocaleString("en-US")} of ${amount(series.all, "image")}` : amount(shown, "image");
    this.element = make("figure", {},
      make("figcaption", {}, make("b", {}, labels[series.run]), make("span", {class: "muted"}, ` ${words}`)),
      this.slider ? this.slider.element : null, this.pictures);
  }

  draw() {
    const entry = this.series.steps[this.at];
    this.pictures.replaceChildren(...(entry ? entry[1] : []).map(([index, caption]) =>
      pictureOf(index, caption, `${this.name}, step ${numberText(entry[0])}`)));
  }

  // To the last one up to a step, or the first one behind it.
  goTo(step) {
    if (!this.slider) return;
    const behind = this.series.steps.findIndex(([other]) => other > step);
    this.at = behind < 0 ? this.series.steps.length - 1 : Math.max(0, behind - 1);
    this.slider.show(this.at);
  }
}

class ImageCard {
  constructor(name, list) {
    this.isSeen = this.isNear = false;
    this.name = name;
    this.figures = list.map((series) => new Figure(name, series));
    const steps = [...new Set(list.flatMap((series) => series.steps.map(([step]) => step)))].sort((a, b) => a - b);
    const all = list.length > 1 && steps.length > 1 && stepSlider(steps, "all at step", `Step of ${name} of all runs`, (at) => {
      for (const figure of this.figures) figure.goTo(steps[at]);
      this.draw();
    });
    this.element = make("article", {class: "card", "aria-label": `Images: ${name}`},
      make("header", {}, make("h3", {title: name}, name), all ? all.element : null),
      make("div", {class: "figures"}, ...this.figures.map((figure) => figure.element)));
    this.element.card = this;
  }

  draw() {
    for (const figure of this.figures) {
      if (this.isSeen && !view.hidden.has(figure.series.run)) figure.draw();
      else figure.pictures.replaceChildren();
    }
  }

  see(isSeen) {
    if (isSeen === this.isSeen) return;
    this.isSeen = isSeen;
    this.draw();
  }
}

const imageCards = (() => {
  const byKey = new Map();
  for (const series of data.images.series) {
    series.steps.sort((a, b) => a[0] - b[0]);
    if (!byKey.has(series.key)) byKey.set(series.key, []);
    byKey.get(series.key).push(series);
  }
  const keys = [...byKey.keys()].sort((a, b) => inOrder.compare(data.keys[a], data.keys[b]));
  return keys.map((key) => new ImageCard(data.keys[key],
    byKey.get(key).sort((a, b) => rankOf.get(a.run) - rankOf.get(b.run))));
})();

function imagesNote() {
  const {series, faults, all_faults} = data.images;
  const all = series.reduce((sum, one) => sum + one.all, 0);
  const shown = series.reduce((sum, one) => sum + one.steps.reduce((count, [, images]) => count + images.length, 0), 0);
  const left = all - shown - all_faults;
  $("images-note").textContent = left > 0 ? `${shown.toLocaleString("en-US")} of ${amount(all, "image")} are here: of each run the newest, ` +
    `the oldest and evenly those between, as many as this file has room for.` : "";
  if (all_faults === 0) return;
  const lines = faults.map((fault) => {
    const of = series[fault.series];
    return `${data.keys[of.key]} · ${labels[of.run]} · step ${numberText(fault.step)}: ${fault.place} ${fault.words}`;
  });
  if (all_faults > faults.length) lines.push(`and ${(all_faults - faults.length).toLocaleString("en-US")} more`);
  $("images-faults").append(make("summary", {}, `${amount(all_faults, "image")} can't be shown`),
    make("ul", {}, ...lines.map((line) => make("li", {}, line))));
  $("images-faults").hidden = false;
}

const imageSight = new IntersectionObserver((entries) => {
  for (const {target, isIntersecting} of entries) {
    target.card.isNear = isIntersecting;
    target.card.see(isIntersecting || printing);
  }
}, {rootMargin: "400px 0px"});

function imagesSection() {
  $("images-section").hidden = imageCards.length === 0;
  $("images").append(...imageCards.map((card) => card.element));
  for (const card of imageCards) imageSight.observe(card.element);
  imagesNote();
}

// Those of runs that are not shown go.
function showImages() {
  for (const card of imageCards) {
    for (const figure of card.figures) figure.element.hidden = view.hidden.has(figure.series.run);
    card.element.hidden = card.figures.every((figure) => figure.element.hidden);
    card.draw();
  }
}

const mostPrintedImages = 50; // cards
function printImages(on) {
  imageCards.forEach((card, i) => card.see(on ? i < mostPrintedImages : card.isNear));
}

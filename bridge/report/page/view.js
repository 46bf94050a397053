// What is shown and how, and the making of elements. Texts of the data go into the page as texts, never
// as HTML.
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

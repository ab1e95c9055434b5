"use strict";
// What the reader has chosen: kept in the address, so that a link shows the same table.
const baserate = (() => {
  const loaded = new Map(), waiting = new Map();
  const start = { view: "score", metric: "", family: "", benchmark: "", kind: "", mode: "", regime: "", budget: "",
    exposure: "", tokenizer: "", size: "", split: "", find: "", sort: "best", up: "", hide: [], show: [] };

  // A page that is opened as a file may run a script beside it, but may neither fetch one nor import a module.
  function need(name) {
    if (loaded.has(name)) return Promise.resolve(loaded.get(name));
    if (!waiting.has(name)) {
      waiting.set(name, new Promise((resolve, reject) => {
        const script = document.createElement("script");
        script.src = `data/${name}.js`;
        script.onload = () => resolve(loaded.get(name));
        script.onerror = () => reject(new Error(`data/${name}.js cannot be read`));
        document.head.append(script);
      }));
    }
    return waiting.get(name);
  }

  function read() {
    const given = new URLSearchParams(location.hash.slice(1)), out = structuredClone(start);
    for (const key of Object.keys(start)) {
      if (given.has(key)) out[key] = Array.isArray(start[key]) ? given.getAll(key) : given.get(key);
    }
    if (!["score", "gain", "twin"].includes(out.view)) out.view = start.view;
    return out;
  }

  function write(state) {
    const out = new URLSearchParams();
    for (const [key, first] of Object.entries(start)) {
      if (Array.isArray(first)) state[key].forEach((value) => out.append(key, value));
      else if (state[key] !== first) out.set(key, state[key]);
    }
    history.replaceState(null, "", `#${out}`);
  }

  // Text only ever becomes text: no name is read as HTML.
  function element(name, properties = {}, ...children) {
    const out = document.createElement(name);
    for (const [key, value] of Object.entries(properties)) {
      if (key === "class") out.className = value;
      else if (key === "style") out.style.cssText = value;
      else if (key.startsWith("--")) out.style.setProperty(key, value);
      else if (key in out && key !== "list") out[key] = value;
      else out.setAttribute(key, value);
    }
    out.append(...children.filter((child) => child !== null && child !== ""));
    return out;
  }

  const broken = (name) => name.split(/(?<=[_.@])/).flatMap((piece) => [piece, element("wbr")]);

  const number = (value, signed) => value === null ? "–"
    : ((signed && value >= 0 ? "+" : "") + value.toFixed(3)).replace("-", "−").replace(/^−0\.000$/, "0.000");

  return { need, read, write, element, broken, number, start, load: (name, value) => loaded.set(name, value) };
})();

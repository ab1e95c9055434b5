"use strict";
(() => {
  const { need, read, write, element, broken, number, start } = baserate;
  const data = JSON.parse(document.getElementById("site-data").textContent);
  const board = document.getElementById("board"), controls = document.getElementById("controls");
  const KIND = { model: "●", random: "◆", baseline: "■" };
  const VERDICT = { b: ["▲", "better"], w: ["▼", "worse"], t: ["=", "not told apart"], p: ["?", "preliminary"], "": ["", "not tested"] };
  const FACTS = { best: "May be best", mean: `Mean rank, ${data.common} tasks`, regime: "Regime", parameters: "Parameters", context: "Context, bp",
    tokenizer: "Tokenizer" };
  const MARKS = { "†": "constant or not finite predictions", "●": "the model saw test examples in pretraining",
    "○": "it is not known whether the model saw test examples in pretraining", "§": "made under older versions than others of its column",
    "¹": "has a note: point at it, or see the page of the task" };
  const STATUS = { f: "failed", n: "n/a", m: "not run", u: "undefined" };
  const CAPTION = { score: "Scores", gain: "Gains over the best baseline", twin: "Gains over the same network with random weights" };
  const WIDE = 16;
  const width = () => (matchMedia("(max-width: 720px)").matches ? 104 : 116);
  const asked = () => {
    const state = read();
    return data.columns.some((c) => c.metrics.includes(state.metric)) ? state : { ...state, metric: "" };
  };
  let state = asked(), cells = {}, others = {}, shown = { columns: [], rows: [] }, drawn = new Map(), from = 0, to = 0, printing = false;

  const unique = (values) => [...new Set(values)].filter((value) => value !== "" && value !== null);

  // ---- which columns and rows
  function columns() {
    const family = state.family || (data.columns.length > data.atOnce ? data.parts[0] : "*");
    return data.columns.map((column, at) => ({ ...column, at })).filter((c) =>
      (family === "*" || c.family === family) && (!state.benchmark || c.benchmark === state.benchmark)
      && (!state.budget || String(c.budget) === state.budget) && (!state.split || c.split === state.split) && !state.hide.includes(c.name)
      && (!state.metric || state.view !== "score" || c.metrics.includes(state.metric)));
  }

  const wanted = (row) => (state.view === "score" || row.kind === "model" || (state.view === "gain" && row.kind === "random"))
    && (!state.kind || row.kind === state.kind) && (!state.mode || row.mode === state.mode)
    && (!state.regime || row.regime === state.regime)
    && (!state.tokenizer || row.tokenizer === state.tokenizer) && (!state.size || row.size === state.size)
    && (!state.find || `${row.model} ${row.detail} ${row.mode}`.toLowerCase().includes(state.find.toLowerCase()));

  // ---- one cell: what it shows in the chosen view
  function found(row, column) {
    const cell = cells[column.at]?.[row];
    if (!Array.isArray(cell) || typeof cell[0] === "string" || cell[0] === null) {
      return { value: null, status: Array.isArray(cell) ? cell[0] : cell, why: Array.isArray(cell) ? cell[1] : "" };
    }
    const [value, low, high, marks, ranks, gain, twin, exposure, , notes] = cell;
    if (state.exposure === "clean" && exposure) return { value: null, status: "x", why: "may have seen test examples" };
    const out = { marks, ranks, exposure, notes: notes || [], value, low, high };
    if (state.view !== "score") {
      const over = state.view === "gain" ? gain : twin;
      if (!over) return { value: null, status: "", why: "" };
      return { ...out, value: over[0], low: over[1], high: over[2], verdict: over[3], p: over[4] };
    }
    if (state.metric && column.metrics[0] !== state.metric) {
      const other = others[column.at]?.[row]?.[column.metrics.indexOf(state.metric) - 1];
      if (!other) return { value: null, status: "", why: "" };
      return { ...out, value: other[0], low: other[1], high: other[2], marks: marks & ~3, ranks: [] };
    }
    return out;
  }

  // How many of the shown tasks a row may be the best of, and on how many it is ranked.
  function tally(row) {
    const ranked = shown.columns.map((c) => cells[c.at]?.[row]).filter((cell) => Array.isArray(cell) && typeof cell[0] === "number"
      && cell[4].length && !(state.exposure === "clean" && cell[7]));
    return [ranked.filter((cell) => cell[3] & 1).length, ranked.length];
  }

  const metricAt = (column) => (state.metric ? column.metrics.indexOf(state.metric) : 0);

  function scale(column, rows) {
    let low = state.view === "score" ? Infinity : 0, high = state.view === "score" ? -Infinity : 0;
    for (const row of rows) {
      const cell = found(row, column);
      if (cell.value === null || cell.marks & 24) continue;
      low = Math.min(low, cell.value, cell.low ?? cell.value);
      high = Math.max(high, cell.value, cell.high ?? cell.value);
    }
    const room = 0.05 * (high - low) || 0.5;
    return [low - room, high + room];
  }

  function drawCell(row, column, [low, high], floor, place) {
    const cell = found(row, column);
    if (cell.value === null) {
      const text = cell.status === "x" ? "hidden" : cell.status === "m" ? "–" : STATUS[cell.status] || "–";
      const said = [text === "–" ? STATUS[cell.status] : "", cell.why].filter(Boolean).join(": ");
      return element("td", { class: cell.status === "f" ? "failed" : "no", title: said, ...place }, text,
        said ? element("span", { class: "sr" }, ` ${said}`) : "");
    }
    const at = (value) => 100 * Math.min(1, Math.max(0, (value - low) / (high - low))), percent = (x) => `${x.toFixed(1)}%`;
    const gains = state.view !== "score", said = [], mark = [];
    if (cell.low !== null) said.push(`95 % interval ${number(cell.low, gains)} to ${number(cell.high, gains)}`);
    if (!gains && cell.marks & 1) said.push("may be the best of its task");
    if (!gains && cell.marks & 2) said.push("may be the best of its regime");
    if (!gains && cell.ranks.length) said.push(`rank ${cell.ranks[0]}${cell.ranks[1] > cell.ranks[0] ? ` to ${cell.ranks[1]}` : ""}`);
    if (gains) said.push(VERDICT[cell.verdict][1] + (cell.p === null || cell.p === undefined ? "" : `, adjusted p ${cell.p < 0.001 ? "< 0.001" : cell.p.toFixed(3)}`));
    if (cell.marks & 4) mark.push("†");
    if (cell.exposure) mark.push(cell.exposure === "e" ? "●" : "○");
    if (cell.marks & 32) mark.push("§");
    if (cell.notes.length) mark.push("¹");
    said.push(...cell.notes, ...mark.filter((m) => m !== "¹").map((m) => MARKS[m]));
    const names = [];
    if (!gains && cell.marks & 1) names.push("best");
    if (!gains && cell.marks & 2) names.push("leads");
    if (cell.marks & 24) names.push("faint");
    if (gains) names.push({ b: "better", w: "worse", t: "tie", p: "preliminary" }[cell.verdict] || "");
    const bar = { class: "iv", "--v": percent(at(cell.value)), "--f": floor === null ? "-9px" : percent(at(floor)) };
    if (cell.low !== null) {  // a background of that width stands at its share of what is left of the strip
      const left = at(cell.low), wide = at(cell.high) - left;
      Object.assign(bar, { "--l": percent(wide < 100 ? (100 * left) / (100 - wide) : 0), "--w": percent(wide) });
    }
    return element("td", { class: names.join(" "), title: said.join("; "), ...place },
      (gains ? `${VERDICT[cell.verdict][0]} ` : "") + number(cell.value, gains),
      mark.length ? element("sup", { "aria-hidden": "true" }, mark.join("")) : "",
      element("span", { class: "sr" }, `, ${said.join("; ")}`), element("i", bar));
  }

  // ---- rows in order
  function key(at, sort) {
    const row = data.rows[at];
    if (sort === "best") return [shown.tally.get(at)[0], -(row.mean ?? 1e9)];
    if (sort === "name") return [row.model.toLowerCase()];
    if (sort in FACTS) return [row[sort]];
    const column = shown.columns.find((c) => c.name === sort);
    const cell = column ? found(at, column) : { value: null };
    return [cell.value === null || cell.marks & 24 ? null : cell.value];
  }

  function descends(sort) {
    if (["name", "mean", "regime", "tokenizer"].includes(sort)) return false;
    const column = shown.columns.find((c) => c.name === sort);
    return !(column && state.view === "score" && column.signs[metricAt(column)] < 0);
  }

  function ordered() {
    const turn = descends(state.sort) !== (state.up === "1") ? -1 : 1;
    const keyed = shown.rows.map((at) => [key(at, state.sort), at]);
    keyed.sort(([a, i], [b, j]) => {
      for (let k = 0; k < a.length; k += 1) {
        if (a[k] === b[k]) continue;
        if (a[k] === null) return 1;  // what has no value stands last either way
        if (b[k] === null) return -1;
        return a[k] < b[k] ? -turn : turn;
      }
      return i - j;
    });
    return keyed.map(([, at]) => at);
  }

  function sortBy(name) {
    state.up = state.sort === name && state.up !== "1" ? "1" : "";
    state.sort = name;
    arrange();
    write(state);
  }

  function arrange() {
    const body = board.querySelector("tbody");
    body.append(...ordered().map((at) => drawn.get(at)));
    for (const head of board.querySelectorAll("thead th")) {
      const active = head.dataset.sort === state.sort;
      if (active) head.setAttribute("aria-sort", descends(state.sort) !== (state.up === "1") ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
      const sign = head.querySelector(".dir");
      if (sign) sign.textContent = active ? (head.getAttribute("aria-sort") === "descending" ? " ↓" : " ↑") : "";
    }
  }

  // ---- the whole table
  function head(name, sort, link, below, why, place = {}) {
    const button = element("button", { type: "button", onclick: () => sortBy(sort) },
      link ? below || "sort" : name, element("span", { class: "sr" }, `, sort by ${name}`), element("span", { class: "dir", "aria-hidden": "true" }));
    return element("th", { scope: "col", "data-sort": sort, ...place }, link ? element("a", { href: link, title: name }, ...broken(why.short)) : "",
      link && why.audit === "FAIL" ? element("span", { class: "badge FAIL" }, "audit FAIL") : "",
      link && why.old ? element("span", { class: "badge", title: `superseded by ${why.old}` }, "superseded") : "", button);
  }

  // Of very many columns only those in view are in the page, and others when they are scrolled to.
  function inView(spare) {
    if (shown.columns.length <= WIDE || printing) return [0, shown.columns.length];
    const first = Math.floor(board.scrollLeft / width()) - spare;
    return [Math.max(0, first), Math.min(shown.columns.length, first + Math.ceil(board.clientWidth / width()) + 2 * spare)];
  }

  function draw() {
    const { columns: list, rows, scales, floors } = shown;
    const focused = document.activeElement?.closest("#board th")?.dataset.sort;
    [from, to] = inView(5);
    const here = list.slice(from, to), whole = here.length === list.length;
    const facts = Object.keys(FACTS).filter((f) => (f === "best" || f === "mean" ? !state.hide.includes(f) : state.show.includes(f))
      && (f !== "mean" || data.rows.some((row) => row.mean !== null)));
    const place = (k) => (whole ? {} : { "aria-colindex": String(k + 2 + facts.length) });
    const pads = (name, left, right) => [left ? [element(name, { class: "pad" })] : [], right ? [element(name, { class: "pad" })] : []];
    const around = (name, cells) => { const [left, right] = pads(name, from > 0, to < list.length); return [...left, ...cells, ...right]; };
    drawn = new Map(rows.map((at) => {
      const row = data.rows[at];
      const name = element("th", { scope: "row" }, element("span", { class: `k ${row.kind}`, title: data.kinds[row.kind] }, KIND[row.kind]),
        element("a", { href: row.page }, ...broken(row.model)), element("span", { class: "sr" }, `, ${data.kinds[row.kind]}`),
        element("small", {}, [row.mode, row.detail].filter(Boolean).join(" · ")));
      const about = facts.map((f) => element("td", { class: "no" }, f === "best" ? (shown.tally.get(at)[1] ? shown.tally.get(at).join(" of ") : "–")
        : row[f] === null ? "–" : f === "mean" ? row[f].toFixed(1) : typeof row[f] === "number" ? row[f].toLocaleString("en") : row[f]));
      const scores = here.map((c, k) => drawCell(at, c, scales[from + k], floors[from + k], place(from + k)));
      return [at, element("tr", { class: row.kind }, name, ...about, ...around("td", scores))];
    }));
    const pad = (n) => element("col", { style: `width:${n * width()}px` });
    board.replaceChildren(element("table", whole ? {} : { "aria-colcount": String(list.length + 1 + facts.length) },
      element("caption", { class: "sr" }, `${CAPTION[state.view]} with 95 % intervals`),
      element("colgroup", {}, element("col", { class: "name" }), ...facts.map(() => element("col", { class: "fact" })),
        from > 0 ? pad(from) : "", ...here.map(() => element("col", { class: "score" })), to < list.length ? pad(list.length - to) : ""),
      element("thead", {}, element("tr", {}, head("Model", "name"), ...facts.map((f) => head(FACTS[f], f)),
        ...around("td", here.map((c, k) => head(c.name, c.name, c.page, state.view === "score" ? (c.heads[metricAt(c)] || "") : "gain", c, place(from + k)))))),
      element("tbody")));
    arrange();
    if (focused) board.querySelector(`th[data-sort="${CSS.escape(focused)}"] button`)?.focus({ preventScroll: true });
    const signs = unique([...board.querySelectorAll("sup")].flatMap((sup) => [...sup.textContent]));
    document.getElementById("marks").textContent = [state.view === "score"
      ? "Bold on a tint: may be the best of its task, by paired tests. Dotted line: may be the best of its regime. The thin line in a cell is the floor, its best baseline."
      : "▲ better, ▼ worse, = not told apart, ? preliminary: by fewer than five trainings. The thin line in a cell is no gain.",
      ...signs.map((sign) => `${sign} ${MARKS[sign]}.`)].join(" ");
  }

  function follow() {
    const [first, last] = inView(0);
    if (first < from || last > to) draw();
  }

  async function render() {
    const list = columns();
    await Promise.all(unique(list.map((c) => c.part)).flatMap((part) => [
      need(`scores-${part}`).then((value) => Object.assign(cells, value)),
      ...(state.metric ? [need(`metrics-${part}`).then((value) => Object.assign(others, value))] : [])]));
    const rows = data.rows.map((_, at) => at).filter((at) => wanted(data.rows[at]));
    shown = { columns: list, rows, scales: list.map((c) => scale(c, rows)),
      floors: list.map((c) => (state.view !== "score" ? 0 : c.floor < 0 ? null : found(c.floor, c).value)) };
    shown.tally = new Map(rows.map((row) => [row, tally(row)]));
    draw();
    document.getElementById("count").textContent = `${rows.length} of ${data.rows.length} rows, ${list.length} of ${data.columns.length} tasks.`
      + (state.family === "" && data.columns.length > data.atOnce ? ` Shown: ${data.parts[0]}; choose a family for more.` : "");
    document.documentElement.dataset.ready = "1";
  }

  // ---- controls
  function select(name, key, choices, none) {
    const field = element("select", { onchange: (event) => { state[key] = event.target.value; changed(); } },
      ...(none === null ? [] : [element("option", { value: start[key] }, none)]),
      ...choices.map(([value, text]) => element("option", { value }, text)));
    field.value = state[key];
    return element("label", {}, name, field);
  }

  function csv() {
    const quote = (value) => {
      const text = /^[=+@\t-]/.test(value) && isNaN(value) ? `'${value}` : String(value);  // no formula of a spreadsheet
      return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
    };
    const lines = [["model", "detail", "mode", "kind", "task", "view", "metric", "value", "low", "high"]];
    for (const at of ordered()) {
      for (const c of shown.columns) {
        const cell = found(at, c), row = data.rows[at];
        lines.push([row.model, row.detail, row.mode, row.kind, c.name, state.view, c.metrics[state.view === "score" ? metricAt(c) : 0] || "", cell.value ?? "", cell.low ?? "", cell.high ?? ""]);
      }
    }
    const file = new Blob([lines.map((line) => line.map(quote).join(",")).join("\n") + "\n"], { type: "text/csv" });
    element("a", { href: URL.createObjectURL(file), download: "scores.csv" }).click();
  }

  function chooser() {
    const open = controls.querySelector("details")?.open || false;
    const box = (name, on, flip) => element("label", {}, element("input", { type: "checkbox", checked: on, onchange: flip }), ` ${name}`);
    const flip = (list, name) => () => {
      state[list] = state[list].includes(name) ? state[list].filter((other) => other !== name) : [...state[list], name];
      changed(false);
    };
    return element("details", { class: "chooser", open }, element("summary", {}, "Columns"), element("div", {},
      ...Object.entries(FACTS).map(([f, name]) => f === "best" || f === "mean" ? box(name, !state.hide.includes(f), flip("hide", f)) : box(name, state.show.includes(f), flip("show", f))),
      ...data.columns.filter((c) => !state.family || state.family === "*" || c.family === state.family)
        .map((c) => box(c.name, !state.hide.includes(c.name), flip("hide", c.name)))));
  }

  function panel() {
    const pairs = (values) => unique(values).map((value) => [value, value]);
    const many = (name, key, choices, none) => choices.length > 1 ? select(name, key, choices, none) : "";
    const twins = state.view === "twin" || data.rows.some((row) => row.kind === "random");
    controls.replaceChildren(...[
      select("Show", "view", [["score", "Scores"], ["gain", "Gain over the best baseline"], ...(twins ? [["twin", "Gain over random weights"]] : [])], null),
      select("Metric", "metric", pairs(data.columns.flatMap((c) => c.metrics)), "primary of each task"),
      many("Family", "family", [...(data.columns.length > data.atOnce ? [["*", "all"]] : []), ...pairs(data.columns.map((c) => c.family))], data.columns.length > data.atOnce ? "the first" : "all"),
      many("Benchmark", "benchmark", pairs(data.columns.map((c) => c.benchmark)), "all"),
      many("Kind", "kind", Object.entries(data.kinds), "all"),
      many("Regime", "regime", pairs(data.rows.map((row) => row.regime)), "all"),
      many("Mode", "mode", pairs(data.rows.map((row) => row.mode)), "all"),
      many("Budget, trials", "budget", pairs(data.columns.map((c) => String(c.budget))), "all"),
      many("Tokenizer", "tokenizer", pairs(data.rows.map((row) => row.tokenizer)), "any"),
      many("Parameters", "size", pairs(data.rows.map((row) => row.size)), "any"),
      many("Split", "split", pairs(data.columns.map((c) => c.split)), "all"),
      select("Exposure", "exposure", [["clean", "clean only"]], "any"),
      element("label", {}, "Find a model", element("input", { type: "search", value: state.find, oninput: (event) => { state.find = event.target.value; changed(false); } })),
      element("div", { class: "push" }, element("button", { type: "button", onclick: csv }, "CSV"),
        element("button", { type: "button", onclick: () => { state = structuredClone(start); changed(); } }, "Reset")),
      chooser()].filter((part) => part !== ""));
    controls.onsubmit = (event) => event.preventDefault();
  }

  function changed(again = true) {
    write(state);
    if (again) panel();
    return render().catch((error) => { board.textContent = error.message; });
  }

  board.addEventListener("scroll", () => requestAnimationFrame(follow), { passive: true });
  window.addEventListener("resize", follow);
  window.addEventListener("beforeprint", () => { printing = true; draw(); });
  window.addEventListener("afterprint", () => { printing = false; draw(); });
  window.addEventListener("hashchange", () => { state = asked(); panel(); render(); });
  panel();
  render().catch((error) => { board.textContent = error.message; });
})();

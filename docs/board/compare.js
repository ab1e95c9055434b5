"use strict";
(() => {
  const { need, element, broken, number } = baserate;
  const data = JSON.parse(document.getElementById("site-data").textContent);
  const controls = document.getElementById("controls"), forest = document.getElementById("forest"), said = document.getElementById("said");
  const given = new URLSearchParams(location.hash.slice(1));
  const find = (name, otherwise) => { const at = data.rows.findIndex((row) => row === name); return at < 0 ? otherwise : at; };
  let task = given.get("task") || "";
  let pair = [find(given.get("a"), data.first[0]), find(given.get("b"), data.first[1])];

  function strip([value, low, high], [from, to]) {
    const at = (v) => `${(100 * (v - from) / (to - from)).toFixed(2)}%`;
    const part = (name, left, width) => { const out = element("span", { class: name }); out.style.left = left; if (width) out.style.width = width; return out; };
    return element("div", { class: "strip", "aria-hidden": "true" }, part("zero", at(0)),
      low === null ? "" : part("first bar", at(low), `${(100 * (high - low) / (to - from)).toFixed(2)}%`),
      part(`first dot${low !== null && (low > 0 || high < 0) ? "" : " open"}`, at(value)));
  }

  function lines([a, b], found) {
    const turned = a > b, stored = found[turned ? a : b] || {};
    return data.columns.map((column, at) => {
      const pairs = stored[at];
      if (!pairs) return { column, gain: null };
      const [value, low, high, p] = pairs;
      return { column, gain: turned ? [-value, high === null ? null : -high, low === null ? null : -low] : [value, low, high], p };
    });
  }

  // The example-by-example view of one task: of the one that is chosen, or the first on which both rows have a gain.
  async function byExample(known) {
    const section = document.getElementById("examples"), choices = known.filter((column) => column.examples);
    section.hidden = !choices.length;
    if (!choices.length) return;
    if (!choices.some((column) => column.short === task)) task = choices[0].short;
    const field = element("select", { onchange: (event) => { task = event.target.value; go(); } },
      ...choices.map((column) => element("option", { value: column.short }, column.short)));
    field.value = task;
    document.getElementById("which").replaceChildren(element("label", {}, "Task", field));
    await baserate.examples.show(choices.find((column) => column.short === task).examples, pair, pair.map((at) => data.rows[at]));
  }

  async function render() {
    const [a, b] = pair;
    history.replaceState(null, "", `#${new URLSearchParams({ a: data.rows[a], b: data.rows[b], ...(task ? { task } : {}) })}`);
    document.getElementById("examples").hidden = true;
    document.getElementById("command").textContent = `baserate compare RESULTS '${data.rows[a].replaceAll("'", "'\\''")}' '${data.rows[b].replaceAll("'", "'\\''")}'`;
    if (a === b) { said.textContent = "These are one row; choose two."; forest.replaceChildren(); return; }
    const all = lines(pair, await need(`pairs-${Math.min(a, b)}`).then((value) => value[Math.max(a, b)] ? { [a > b ? a : b]: value[Math.max(a, b)] } : {}));
    const known = all.filter((line) => line.gain), ends = known.flatMap((line) => line.gain).filter((v) => v !== null);
    const most = Math.max(...ends.map(Math.abs), 1e-9) * 1.05;
    said.textContent = known.length
      ? `${known.length} of ${all.length} tasks have both.` + (known.length < all.length ? ` Not stored for this pair: ${all.filter((line) => !line.gain).map((line) => line.column.short).join(", ")}.` : "")
      : "This pair is not in the stored data: no task has both rows with an interval on the same examples.";
    if (!known.length) { forest.replaceChildren(); return; }
    known.sort((x, y) => y.gain[0] - x.gain[0]);
    forest.replaceChildren(element("table", { class: "scores" }, element("caption", { class: "sr" }, `Gain of ${data.rows[a]} over ${data.rows[b]}`),
      element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "Task"),
        element("th", { scope: "col", class: "wide" }, element("div", { class: "axis" }, element("span", {}, "← second better"), element("span", {}, "first better →"))),
        element("th", { scope: "col" }, "Gain [95 %]"), element("th", { scope: "col", class: "n" }, "p"))),
      element("tbody", {}, ...known.map(({ column, gain, p }) => element("tr", {},
        element("th", { scope: "row" }, element("a", { href: column.page }, ...broken(column.short)), element("span", { class: "sub" }, column.metric)),
        element("td", {}, column.bounded ? strip(gain, [-most, most]) : strip(gain, [-1.05, 1.05].map((side) => side * Math.max(...gain.map((v) => Math.abs(v ?? 0)), 1e-9)))),
        element("td", { class: "nowrap" }, number(gain[0], true) + (gain[1] === null ? "" : ` [${number(gain[1], true)}, ${number(gain[2], true)}]`)),
        element("td", { class: "n" }, p === null ? "–" : p < 0.001 ? "< 0.001" : p.toFixed(3)))))));
    await byExample(data.columns.filter((column) => known.some((line) => line.column === column)));
    document.documentElement.dataset.ready = "1";
  }

  const choose = (name, which) => {
    const field = element("select", { onchange: (event) => { pair[which] = Number(event.target.value); go(); } },
      ...data.rows.map((row, at) => element("option", { value: String(at) }, row)));
    field.value = String(pair[which]);
    return element("label", {}, name, field);
  };
  const go = () => render().catch((error) => { said.textContent = error.message; });
  const draw = () => controls.replaceChildren(choose("First", 0), choose("Second", 1),
    element("button", { type: "button", onclick: () => { pair = [pair[1], pair[0]]; draw(); go(); } }, "Swap"));
  controls.onsubmit = (event) => event.preventDefault();
  draw();
  go();
})();

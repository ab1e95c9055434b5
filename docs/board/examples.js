"use strict";
// Two rows on the test examples of one task: each example a point, and those on which the rows differ most.
baserate.examples = (() => {
  const { need, element, number } = baserate;
  const SIDE = 300, LEFT = 54, TOP = 12, MOST = 12, STEPS = 999, SVG = "http://www.w3.org/2000/svg";

  function drawn(name, properties, ...children) {
    const out = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(properties)) out.setAttribute(key, value);
    out.append(...children);
    return out;
  }

  // The share of examples below each: rows with unlike scales are compared by these.
  function ranks(steps) {
    const order = steps.map((value, at) => [value, at]).filter(([value]) => value !== null).sort(([a], [b]) => a - b);
    const out = steps.map(() => null);
    for (let i = 0; i < order.length;) {
      let j = i;
      while (j < order.length && order[j][0] === order[i][0]) j += 1;
      for (let k = i; k < j; k += 1) out[order[k][1]] = (i + j - 1) / 2 / Math.max(1, order.length - 1);
      i = j;
    }
    return out;
  }

  const value = ([low, high], step) => low + (step * (high - low)) / STEPS;
  const text = (x, y, content, more = {}) => drawn("text", { x, y, ...more }, content);

  function cloud([a, b], names, targets, kinds, marked) {
    const place = (at) => [LEFT + (a[2][at] / STEPS) * SIDE, TOP + SIDE - (b[2][at] / STEPS) * SIDE];
    const known = targets.map((_, at) => at).filter((at) => a[2][at] !== null && b[2][at] !== null);
    return drawn("svg", { viewBox: `0 0 ${LEFT + SIDE + 12} ${SIDE + 60}`, class: "cloud", role: "img",
      "aria-label": `Each example by its scores from ${names[0]}, across, and ${names[1]}, up` },
      drawn("rect", { x: LEFT, y: TOP, width: SIDE, height: SIDE, class: "box" }),
      ...known.map((at) => { const [x, y] = place(at); return drawn("circle", { cx: x.toFixed(1), cy: y.toFixed(1), r: 2.4, class: `t${Math.max(0, kinds.indexOf(targets[at])) % 6}` }); }),
      ...marked.map((at) => { const [x, y] = place(at); return drawn("circle", { cx: x.toFixed(1), cy: y.toFixed(1), r: 5, class: "ring" }); }),
      text(LEFT, TOP + SIDE + 15, number(a[0])), text(LEFT + SIDE, TOP + SIDE + 15, number(a[1]), { "text-anchor": "end" }),
      text(LEFT + SIDE / 2, TOP + SIDE + 34, names[0], { "text-anchor": "middle", class: "name" }),
      text(LEFT - 5, TOP + SIDE, number(b[0]), { "text-anchor": "end" }), text(LEFT - 5, TOP + 9, number(b[1]), { "text-anchor": "end" }),
      text(0, 0, names[1], { "text-anchor": "middle", class: "name", transform: `translate(14 ${TOP + SIDE / 2}) rotate(-90)` }));
  }

  function legend(kinds) {
    return !kinds.length || kinds.length > 6 ? "" : element("figcaption", { class: "legend" }, ...kinds.map((kind, at) => element("span", {}, element("i", { class: `t${at}` }), kind)));
  }

  async function show(file, rows, names) {
    const data = await need(file), [a, b] = rows.map((row) => data.rows[row]);
    const place = document.getElementById("cloud"), table = document.getElementById("differ"), note = document.getElementById("sampled");
    if (!a || !b) {
      place.replaceChildren(); table.replaceChildren();
      note.textContent = "The predictions of one of the two are not in this site: it has those of the best rows of each task.";
      return;
    }
    const [first, second] = [ranks(a[2]), ranks(b[2])];
    const apart = data.ids.map((_, at) => [first[at] === null || second[at] === null ? -1 : Math.abs(first[at] - second[at]), at]);
    const most = apart.filter(([by]) => by > 0).sort(([x, i], [y, j]) => y - x || i - j).slice(0, MOST).map(([, at]) => at);
    place.replaceChildren(cloud([a, b], names, data.targets, data.classes, most), legend(data.classes));
    table.replaceChildren(element("table", {}, element("caption", { class: "sr" }, "Examples on which the two differ most"),
      element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "Example"), element("th", { scope: "col" }, "Target"),
        ...names.map((name) => element("th", { scope: "col", class: "n" }, name)))),
      element("tbody", {}, ...most.map((at) => element("tr", {}, element("th", { scope: "row", class: "id" }, data.ids[at]), element("td", {}, data.targets[at]),
        ...[a, b].map((row) => element("td", { class: "n" }, number(value(row, row[2][at])))))))));
    note.textContent = `Shown: ${data.what[rows[0]]} and ${data.what[rows[1]]}, means over seeds. Rings: the ${most.length} examples whose places among all differ most.`
      + (data.ids.length < data.n ? ` ${data.ids.length} of ${data.n.toLocaleString("en")} test examples, evenly spaced.` : "");
  }

  return { show };
})();

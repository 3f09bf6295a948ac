"use strict";
// The table of what A, B and the truth say of one pixel, and of the way between two.
const Values = (() => {
  const cell = (tag, text, kind) => {
    const made = document.createElement(tag);
    made.textContent = text;
    if (kind) made.className = kind;
    return made;
  };

  function table(title, columns, rows) {
    const made = document.createElement("table");
    const head = made.insertRow();
    head.append(cell("th", ""), ...columns.map(([text, kind]) => cell("th", text, kind)));
    for (const [name, ...values] of rows) {
      const row = made.insertRow();
      row.append(cell("td", name), ...values.map((text) => cell("td", text)));
    }
    return [cell("h2", title), made];
  }

  function columns() {
    const truth = Pair.truth();
    const [a, b] = [Pair.method("a"), Pair.method("b")];
    const both = [[a, "A", "a"], [b, "B", "b"]];
    return truth && a !== truth && b !== truth ? [...both, [truth, "truth", ""]] : both;
  }

  // A value with its expected error, if there is one.
  function said(one, name, i) {
    const values = Derive.layer(one, name);
    if (!values) return "–";
    const sigma = one.values[Scale.layer(name).sigma];
    const unit = Scale.unit(name, one);
    const fine = sigma && sigma[i] > 0 ? sigma[i] / 10 : Math.abs(values[i]) / 3000;
    const text = Numbers.text(values[i], fine || 0.001);
    const error = sigma && sigma[i] === sigma[i] ? ` ± ${Numbers.text(sigma[i], fine)}` : "";
    return text === "–" ? text : text + error + (unit === "relative" || !unit ? "" : unit === "°" ? "°" : ` ${unit}`);
  }

  function show(pixel) {
    const box = document.getElementById("values");
    const shown = columns();
    const view = Pair.view();
    const [left, top, width, height] = view.pixels;
    const [rows, across] = view.shape;
    const title = pixel ? `Pixel ${Numbers.text(left + (pixel.x + 0.5) / across * width, 0.1)}, ${Numbers.text(top + (pixel.y + 0.5) / rows * height, 0.1)}` : "Pixel";
    const i = pixel ? pixel.y * across + pixel.x : -1;
    const names = ["depth", "slope"];
    const map = State.now.map;
    if (!names.includes(map)) names.push(map);
    const lines = names.map((name) => [Scale.layer(name).label, ...shown.map(([one]) => (i < 0 ? "–" : said(one, name, i)))]);
    box.replaceChildren(...table(title, shown.map(([, text, kind]) => [text, kind]), lines));
  }

  // Index of the pixel at grid coordinates, or -1.
  function index(x, y) {
    const [rows, columns] = Pair.view().shape;
    if (!(x >= 0 && y >= 0 && x < columns && y < rows)) return -1;
    return Math.floor(y) * columns + Math.floor(x);
  }

  function upOf(one) {
    const up = one.up || (one.relief ? one.relief.slice(0, 3) : [0, -1, 0]);
    const length = Math.hypot(...up);
    return up.map((value) => value / length);
  }

  // Distance, height and slope from one pixel's point to another's.
  function between(one, i, j) {
    if (i < 0 || j < 0) return null;
    const [p, q] = [Pair.point(one, i, []), Pair.point(one, j, [])];
    const d = q.map((value, k) => value - p[k]);
    const distance = Math.hypot(...d);
    const rise = upOf(one).reduce((sum, value, k) => sum + value * d[k], 0);
    return { distance, rise, level: Math.sqrt(Math.max(0, distance ** 2 - rise ** 2)), slope: Math.asin(Math.min(1, Math.abs(rise) / distance)) * 180 / Math.PI };
  }

  function measure() {
    const box = document.getElementById("measure");
    const points = State.list("points");
    box.hidden = points.length < 4;
    if (box.hidden) return;
    const shown = columns();
    const ends = [index(points[0], points[1]), index(points[2], points[3])];
    const found = shown.map(([one]) => [one, between(one, ...ends)]);
    const text = (key) => found.map(([one, way]) => (way ? Numbers.withUnit(way[key], key === "slope" ? "°" : one.unit === "relative" ? "" : one.unit, key === "slope" ? 0.1 : way.distance / 1000) : "–"));
    box.replaceChildren(...table("Two points", shown.map(([, name, kind]) => [name, kind]), [
      ["Distance", ...text("distance")], ["Level", ...text("level")], ["Rise", ...text("rise")], ["Slope", ...text("slope")],
    ]));
  }

  // Places to land that A and B found; their numbers are on the map.
  function sites() {
    const box = document.getElementById("sites");
    box.replaceChildren();
    for (const which of new Set([Pair.method("a"), Pair.method("b")])) {
      if (!which.sites.length) continue;
      const share = (site) => (site.p_safe === undefined ? "–" : site.p_safe > 0.9995 ? "> 0.999" : site.p_safe.toFixed(3)); // never rounded to certainty
      const rows = which.sites.map((site, i) => [`${i + 1}`, share(site), Numbers.withUnit(site.slope_deg, site.slope_deg === undefined ? "" : "°", 0.1)]);
      box.append(...table(`Sites of ${which.name}`, [["P(safe)", ""], ["slope", ""]], rows));
    }
    box.hidden = !box.children.length;
  }

  return { show, measure, sites, between, index, cell, upOf };
})();

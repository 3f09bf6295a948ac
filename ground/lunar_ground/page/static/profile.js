"use strict";
// Values along the drawn line: A, B and the truth, with bands of one expected error.
const Profile = (() => {
  const SAMPLES = 257;
  const SVG = "http://www.w3.org/2000/svg";

  // What stands along the line: distance, and for each method values and errors.
  function sample() {
    const line = State.list("line");
    if (line.length !== 4 || State.now.map === "image") return null;
    const name = State.now.map;
    const [a, b, truth] = [Pair.method("a"), Pair.method("b"), Pair.truth()];
    const shown = [["a", a], ["b", b]];
    if (truth && truth !== a && truth !== b) shown.push(["truth", truth]);
    const pixels = [];
    for (let k = 0; k < SAMPLES; k++) {
      const t = k / (SAMPLES - 1);
      pixels.push([line[0] + t * (line[2] - line[0]), line[1] + t * (line[3] - line[1])]);
    }
    const at = pixels.map(([x, y]) => Values.index(x, y));
    const series = shown.map(([kind, one]) => {
      const values = Derive.layer(one, name);
      const sigma = one.values[Scale.layer(name).sigma];
      return {
        kind, name: one.name, unit: Scale.unit(name, one),
        values: at.map((i) => (values && i >= 0 ? values[i] : NaN)),
        sigma: sigma ? at.map((i) => (i >= 0 ? sigma[i] : NaN)) : null,
      };
    });
    const way = distances(truth || a, at);
    return { pixels, at, series, along: way.along, unit: way.unit };
  }

  // Along the ground where all of it has points, else pixels.
  function distances(one, at) {
    const along = [0];
    let last = at[0];
    for (let k = 1; k < at.length; k++) {
      const step = at[k] === last ? 0 : (Values.between(one, last, at[k]) || { distance: NaN }).distance;
      along.push(along[k - 1] + step);
      last = at[k];
    }
    if (along.every(Number.isFinite)) return { along, unit: one.unit === "relative" ? "" : one.unit };
    return { along: at.map((_, k) => k), unit: "samples" };
  }

  function draw() {
    const found = sample();
    const figure = document.getElementById("profile");
    figure.hidden = !found;
    document.getElementById("save-csv").disabled = !found;
    if (!found) return;
    const svg = document.getElementById("curve");
    const [width, height, left, bottom] = [Math.max(300, svg.clientWidth), 190, 62, 24];
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.replaceChildren();
    const ends = found.series.flatMap(({ values, sigma }) => (sigma ? [...values.map((v, i) => v - sigma[i]), ...values.map((v, i) => v + sigma[i])] : values)).filter(Number.isFinite);
    const label = Scale.layer(State.now.map).label;
    const unit = found.series[0].unit;
    document.getElementById("profile-name").textContent = ends.length
      ? `${label}${unit ? ` (${unit})` : ""} along the line of ${Numbers.withUnit(found.along.at(-1), found.unit, found.along.at(-1) / 1000)}` : `${label}: nothing along this line`;
    if (!ends.length) return;
    let [low, high] = [Math.min(...ends), Math.max(...ends)];
    if (low === high) [low, high] = [low - 1, high + 1];
    const far = found.along.at(-1) || 1;
    const x = (value) => left + value / far * (width - left - 10);
    const y = (value) => 8 + (high - value) / (high - low) * (height - bottom - 8);
    axes(svg, { low, high, far, x, y, width, height, left, bottom, unit: found.unit });
    for (const one of found.series) curve(svg, one, found.along, x, y);
  }

  function curve(svg, { kind, values, sigma }, along, x, y) {
    if (sigma) {
      const edge = (sign, i) => `${x(along[i]).toFixed(1)},${y(values[i] + sign * sigma[i]).toFixed(1)}`;
      const good = values.map((_, i) => i).filter((i) => Number.isFinite(values[i] + sigma[i]));
      if (good.length) add(svg, "path", { class: `band ${kind}`, d: `M${good.map((i) => edge(1, i)).join("L")}L${good.reverse().map((i) => edge(-1, i)).join("L")}Z` });
    }
    let d = "";
    let pen = false;
    values.forEach((value, i) => {
      const known = Number.isFinite(value);
      if (known) d += `${pen ? "L" : "M"}${x(along[i]).toFixed(1)},${y(value).toFixed(1)}`;
      pen = known;
    });
    add(svg, "path", { class: kind, d });
  }

  function axes(svg, { low, high, far, x, y, width, height, left, bottom, unit }) {
    for (const value of Numbers.ticks(low, high, 4)) {
      add(svg, "line", { class: "axis", x1: left, x2: width - 10, y1: y(value), y2: y(value) });
      add(svg, "text", { x: left - 6, y: y(value) + 4, "text-anchor": "end" }, Numbers.text(value, (high - low) / 100));
    }
    const along = Numbers.ticks(0, far, 6);
    for (const value of along) {
      add(svg, "text", { x: x(value), y: height - bottom + 18, "text-anchor": value ? "middle" : "start" }, Numbers.withUnit(value, value === along.at(-1) ? unit : "", far / 100));
    }
  }

  function add(parent, tag, attributes, text) {
    const made = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    if (text !== undefined) made.textContent = text;
    parent.append(made);
    return made;
  }

  return { draw, sample, add };
})();

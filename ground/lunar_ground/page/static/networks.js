"use strict";
// What the networks cost, and time against error. Data: records of lunar-bench.
const Networks = (() => {
  let networks = [];
  let arms = [];

  function load(given, ablation) {
    networks = given;
    arms = ablation;
    document.getElementById("tab-networks").hidden = !given.length && !ablation.length;
  }

  const figures = [
    ["Parameters", "M", (one) => one.parameters && one.parameters / 1e6, 0.1],
    ["Arithmetic", "GFLOP a pair", (one) => one.gflop, 1],
    ["Time", "ms, median", (one) => one.latency_ms, 0.1],
    ["Memory", "MB", (one) => one.memory_mb, 1],
    ["Depth error", "median, %", (one) => one.errors.absrel_median && 100 * one.errors.absrel_median, 0.01],
    ["Slope error", "mean, °", (one) => one.errors.slope_mae_deg, 0.1],
  ];

  function show() {
    const box = document.getElementById("panel-networks");
    box.replaceChildren();
    if (networks.length) costs(box);
    if (arms.length) box.append(Values.cell("h2", "Ablation"), ablation(), Values.cell("p", "Errors are shares of the plane's: below 1 beats the plane. Means over the seeds, ± their spread.", "hint"));
  }

  function costs(box) {
    box.append(Values.cell("h2", "What the networks cost"), table());
    const measured = networks.filter((one) => one.errors.absrel_median);
    box.append(Values.cell("h2", measured.length ? "Error and time" : "Size and time"), plot(measured.length ? measured : networks, measured.length > 0));
    box.append(Values.cell("p", "The area of a circle is the number of parameters. Left and down is better.", "hint"));
  }

  function table() {
    const made = document.createElement("table");
    made.className = "wide";
    made.id = "costs";
    const head = made.createTHead().insertRow();
    head.append(Values.cell("th", "Network"), Values.cell("th", "On", "text"));
    for (const [name, unit] of figures) {
      const cell = Values.cell("th", name);
      cell.append(document.createElement("br"), Values.cell("small", unit));
      head.append(cell);
    }
    for (const one of networks) {
      const row = made.insertRow();
      row.append(Values.cell("td", `${one.name}`), Values.cell("td", one.where, "text"));
      for (const [, , value, fine] of figures) row.append(Values.cell("td", Numbers.text(value(one) || null, fine)));
    }
    const scroll = document.createElement("div");
    scroll.className = "scroll";
    scroll.append(made);
    return scroll;
  }

  function ablation() {
    const made = document.createElement("table");
    made.className = "wide";
    made.id = "arms";
    const columns = [["Depth error", "of the plane's", "absrel_of_null"], ["Slope error", "of the plane's", "slope_mae_of_null"], ["Relief", "correlation", "relief_correlation"]];
    const head = made.createTHead().insertRow();
    head.append(Values.cell("th", "Arm"), Values.cell("th", "Parameters, M"), Values.cell("th", "Seeds"));
    for (const [name, unit] of columns) {
      const cell = Values.cell("th", name);
      cell.append(document.createElement("br"), Values.cell("small", unit));
      head.append(cell);
    }
    for (const one of arms) {
      const row = made.insertRow();
      row.append(Values.cell("td", one.name), Values.cell("td", Numbers.text(one.parameters / 1e6, 0.1)), Values.cell("td", String(one.seeds)));
      for (const [, , figure] of columns) {
        const [mean, spread] = one.figures[figure];
        row.append(Values.cell("td", `${Numbers.text(mean, 0.001)} ± ${Numbers.text(spread, 0.001)}`));
      }
    }
    const scroll = document.createElement("div");
    scroll.className = "scroll";
    scroll.append(made);
    return scroll;
  }

  function plot(shown, errors) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.id = "pareto";
    svg.setAttribute("viewBox", "0 0 760 380");
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", errors ? "Depth error against time" : "Parameters against time");
    const value = errors ? (one) => 100 * one.errors.absrel_median : (one) => (one.parameters || 1e6) / 1e6;
    const [x, y] = [axis(shown.map((one) => one.latency_ms), 70, 740), axis(shown.map(value), 330, 30)];
    for (const t of x.marks) {
      Profile.add(svg, "line", { class: "axis", x1: x.at(t), x2: x.at(t), y1: 20, y2: 330 });
      Profile.add(svg, "text", { class: "faint", x: x.at(t), y: 350, "text-anchor": "middle" }, Numbers.text(t, t / 10));
    }
    for (const t of y.marks) {
      Profile.add(svg, "line", { class: "axis", x1: 70, x2: 740, y1: y.at(t), y2: y.at(t) });
      Profile.add(svg, "text", { class: "faint", x: 62, y: y.at(t) + 4, "text-anchor": "end" }, Numbers.text(t, t / 10));
    }
    Profile.add(svg, "text", { x: 405, y: 372, "text-anchor": "middle" }, "time of the network, ms");
    Profile.add(svg, "text", { x: 8, y: 14 }, errors ? "depth error, %" : "parameters, M");
    const most = Math.max(...shown.map((one) => one.parameters || 0)) || 1;
    const places = shown.map((one) => ({
      one, x: x.at(one.latency_ms), y: y.at(value(one)), radius: 5 + 21 * Math.sqrt((one.parameters || 0) / most),
    })).sort((p, q) => q.radius - p.radius || p.x - q.x);
    for (const { one, x: left, y: top, radius } of places) {
      const circle = Profile.add(svg, "circle", { cx: left, cy: top, r: radius });
      Profile.add(circle, "title", {}, `${one.name}: ${Numbers.text(one.latency_ms, 0.1)} ms`);
    }
    label(svg, places);
    return svg;
  }

  // Names where there is room for them; the others are in the table, and under the pointer.
  function label(svg, places) {
    const taken = [];
    for (const { one, x: left, y: top, radius } of [...places].sort((p, q) => p.x - q.x)) {
      const end = left > 600;
      const width = 7 * one.name.length;
      const from = end ? left - radius - 6 - width : left + radius + 4;
      const free = [0, -16, 16, -32, 32].map((shift) => top + shift).find((y) => y > 24 && y < 326
        && !taken.some((box) => from < box.to && from + width > box.from && Math.abs(y - box.y) < 14)
        && !places.some((other) => other.one !== one && from < other.x + other.radius && from + width > other.x - other.radius && Math.abs(y - other.y) < other.radius));
      if (free === undefined) continue;
      taken.push({ from, to: from + width, y: free });
      Profile.add(svg, "text", { x: end ? left - radius - 6 : from, y: free + 4, "text-anchor": end ? "end" : "start" }, one.name);
    }
  }

  // A logarithmic axis with marks at 1, 2 and 5.
  function axis(values, from, to) {
    const low = Math.log10(Math.min(...values) / 1.6);
    const high = Math.log10(Math.max(...values) * 1.6);
    const at = (value) => from + (Math.log10(value) - low) / (high - low) * (to - from);
    const marks = [];
    for (let power = Math.floor(low); power <= high; power++) {
      for (const factor of high - low > 2.2 ? [1] : [1, 2, 5]) {
        const value = factor * 10 ** power;
        if (Math.log10(value) >= low && Math.log10(value) <= high) marks.push(value);
      }
    }
    return { at, marks };
  }

  return { load, show };
})();

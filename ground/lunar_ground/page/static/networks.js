"use strict";
// What the networks cost, and time against error. Data: records of lunar-bench.
const Networks = (() => {
  let networks = [];

  function load(given) {
    networks = given;
    document.getElementById("tab-networks").hidden = !given.length;
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
    if (!networks.length) return;
    box.replaceChildren(Values.cell("h2", "What the networks cost"), table());
    const measured = networks.filter((one) => one.errors.absrel_median);
    box.append(Values.cell("h2", measured.length ? "Error and time" : "Size and time"), plot(measured.length ? measured : networks, measured.length > 0));
    box.append(Values.cell("p", "The area of a circle is the number of parameters. Left and down is better.", "hint"));
  }

  function table() {
    const made = document.createElement("table");
    made.className = "wide";
    made.id = "costs";
    const head = made.createTHead().insertRow();
    head.append(Values.cell("th", "Network"), Values.cell("th", "On"));
    for (const [name, unit] of figures) {
      const cell = Values.cell("th", name);
      cell.append(document.createElement("br"), Values.cell("small", unit));
      head.append(cell);
    }
    for (const one of networks) {
      const row = made.insertRow();
      row.append(Values.cell("td", `${one.name}`), Values.cell("td", one.where));
      for (const [, , value, fine] of figures) row.append(Values.cell("td", Numbers.text(value(one) || null, fine)));
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
    for (const one of [...shown].sort((p, q) => (q.parameters || 0) - (p.parameters || 0))) {
      const radius = 5 + 21 * Math.sqrt((one.parameters || 0) / most);
      Profile.add(svg, "circle", { cx: x.at(one.latency_ms), cy: y.at(value(one)), r: radius });
      const right = x.at(one.latency_ms) > 600;
      Profile.add(svg, "text", { x: x.at(one.latency_ms) + (right ? -radius - 4 : radius + 4), y: y.at(value(one)) + 4, "text-anchor": right ? "end" : "start" }, one.name);
    }
    return svg;
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

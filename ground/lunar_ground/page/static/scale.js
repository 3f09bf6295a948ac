"use strict";
// Which layers there are, in which limits they are coloured, and the legend.
const Scale = (() => {
  let layers = [];
  const load = (given) => { layers = given; };
  const layer = (name) => layers.find((one) => one.name === name) || layers[0];

  function unit(name, one) {
    const kind = layer(name).unit;
    if (kind === "length") return one.unit;
    return kind === "height" ? one.relief_unit : kind;
  }

  // Limits for values of one or several methods.
  function limits(rule, arrays) {
    if (Array.isArray(rule)) return rule;
    let low = Infinity;
    let high = -Infinity;
    for (const values of arrays.filter(Boolean)) {
      const [from, to] = Numbers.quantiles(values, [0.01, 0.99]);
      if (from < low) low = from;
      if (to > high) high = to;
    }
    if (!(low <= high)) return [0, 1];
    if (rule === "zero") return [0, high > 0 ? high : 1];
    if (rule === "around") {
      const most = Math.max(Math.abs(low), Math.abs(high)) || 1;
      return [-most, most];
    }
    return high > low ? [low, high] : [low - (Math.abs(low) * 0.01 || 1), high + (Math.abs(high) * 0.01 || 1)];
  }

  // One scale for A and B (and the truth, where it has the layer); their own where units differ.
  function shared(name, which) {
    const a = Pair.method("a");
    const b = Pair.method("b");
    const truth = Pair.truth();
    const together = Derive.comparable(a, b, name) || unit(name, a) === unit(name, b);
    const own = which === "b" ? [b] : [a];
    const both = unit(name, a) === "relative" ? own : together ? [a, b, truth].filter(Boolean) : own;
    return limits(layer(name).limits, both.map((one) => Derive.layer(one, name)));
  }

  const difference = (values) => limits("around", [values]);

  function legend(text, table, [low, high], suffix, words) {
    document.getElementById("legend-name").textContent = text;
    const bar = document.getElementById("bar");
    bar.width = 256;
    bar.height = 1;
    const context = bar.getContext("2d");
    const image = context.createImageData(256, 1);
    new Uint32Array(image.data.buffer).set(Colours.table(table));
    context.putImageData(image, 0, 0);
    bar.setAttribute("aria-label", `${text}: ${Numbers.text(low)} to ${Numbers.text(high)} ${suffix}`);
    const ticks = document.getElementById("ticks");
    ticks.replaceChildren();
    const inner = Numbers.ticks(low, high).filter((v) => v - low > 0.08 * (high - low) && high - v > 0.08 * (high - low));
    const marks = words ? words.map((word, i) => [(i + 0.5) / words.length, word])
      : [low, ...inner, high].map((value) => [(value - low) / (high - low), Numbers.withUnit(value, suffix, (high - low) / 100)]);
    for (const [at, word] of marks) {
      const mark = document.createElement("span");
      mark.textContent = word;
      mark.style.left = `${100 * at}%`;
      if (words) mark.style.transform = "translateX(-50%)";
      ticks.append(mark);
    }
  }

  return { load, layer, unit, shared, difference, legend, all: () => layers };
})();

"use strict";
// One sentence: which of A and B is worse, by how much, and where.
const Findings = (() => {
  const BLOCK = 16; // pixels of a side: a place that the eye finds

  function part(text, kind) {
    const made = document.createElement(kind ? "b" : "span");
    made.textContent = text;
    if (kind) made.className = kind;
    return made;
  }

  function show() {
    const box = document.getElementById("finding");
    const [a, b] = [Pair.method("a"), Pair.method("b")];
    if (a === b) return box.replaceChildren(part("A and B are the same method. Choose another one to compare."));
    const errors = a.values.depth_error && b.values.depth_error;
    const one = errors ? "depth_error" : Derive.difference(a, b, "depth") ? "depth" : "slope";
    const behind = errors && a.scores.absrel_median < b.scores.absrel_median ? "b" : "a";
    const where = worst(one, behind === "a" ? 1 : -1);
    const words = errors ? withTruth(a, b) : Pair.truth() ? against(a, b) : without(a, b, one);
    box.replaceChildren(...words);
    if (where) box.append(button(one, where, errors, behind));
    return undefined;
  }

  // Errors of the numbers table, and the share of the pixels where A errs more.
  function withTruth(a, b) {
    const [x, y] = [a.scores.absrel_median, b.scores.absrel_median].map((share) => 100 * share);
    const worse = x >= y ? "a" : "b";
    const [large, small] = [Math.max(x, y), Math.min(x, y)];
    const name = { a: a.name, b: b.name };
    const other = worse === "a" ? "b" : "a";
    const difference = Derive.difference(a, b, "depth_error");
    const known = Numbers.finite(difference);
    const more = known.filter((value) => (worse === "a" ? value > 0 : value < 0)).length / (known.length || 1);
    if (large <= 1.005 * small) return [part(`A and B err alike: depth ${Numbers.text(large, 1e-3)} %, slopes ${Numbers.text(a.scores.slope_mae_deg, 0.1)}° and ${Numbers.text(b.scores.slope_mae_deg, 0.1)}°.`)];
    const slopes = { a: a.scores.slope_mae_deg, b: b.scores.slope_mae_deg };
    return [
      part(`${worse.toUpperCase()} (${name[worse]})`, worse), part(` errs more: depth ${Numbers.text(large, 1e-3)} % against `),
      part(`${Numbers.text(small, 1e-3)} %`), part(" of "), part(`${other.toUpperCase()} (${name[other]})`, other),
      part(`${ratio(large, small)}, worse on ${Math.round(100 * more)} % of the ground. Slopes err ${Numbers.text(slopes[worse], 0.1)}° against ${Numbers.text(slopes[other], 0.1)}°.`),
    ];
  }

  // One of both is the truth, or was not compared with it.
  function against(a, b) {
    const [which, one] = Object.keys(a.scores).length ? ["a", a] : ["b", b];
    if (!Object.keys(one.scores).length) return [part("Neither A nor B was compared with the truth.")];
    const { absrel_median: depth, slope_mae_deg: slope } = one.scores;
    return [part(`${which.toUpperCase()} (${one.name})`, which), part(` errs by ${Numbers.text(100 * depth, 1e-3)} % in depth and ${Numbers.text(slope, 0.1)}° in slope.`)];
  }

  const ratio = (large, small) => (small > 0 && large / small >= 1.05 ? `, ${Numbers.text(large / small, 0.1)} times` : "");

  function without(a, b, name) {
    const values = Derive.difference(a, b, name);
    if (!values) return [part("A and B have no map that can be compared.")];
    const unit = Scale.unit(name, a);
    const size = Numbers.median(values.map(Math.abs));
    const relative = name === "depth" ? ` (${Numbers.text(100 * size / Numbers.median(b.values.depth), 0.01)} % of it)` : "";
    return [part(`No truth is given. A and B differ by ${Numbers.withUnit(size, unit, size / 100)}${relative} in ${name}, in the median.`)];
  }

  // The block where A is worse than B by most, or B than A with a sign of -1; without a truth, where
  // both differ most.
  function worst(name, sign) {
    const values = Derive.difference(Pair.method("a"), Pair.method("b"), name);
    if (!values) return null;
    const [rows, columns] = Pair.view().shape;
    let best = { value: 0 };
    for (let y = 0; y < rows; y += BLOCK) {
      for (let x = 0; x < columns; x += BLOCK) {
        let [sum, count] = [0, 0];
        for (let v = y; v < Math.min(rows, y + BLOCK); v++) {
          for (let u = x; u < Math.min(columns, x + BLOCK); u++) {
            const value = values[v * columns + u];
            if (value === value) { sum += value; count++; }
          }
        }
        const size = name.endsWith("_error") ? sign * sum / count : Math.abs(sum / count);
        if (count > BLOCK && size > best.value) best = { value: size, x: x + BLOCK / 2, y: y + BLOCK / 2 };
      }
    }
    return best.value > 0 ? best : null;
  }

  function button(name, where, errors, behind) {
    const made = document.createElement("button");
    made.id = "show-worst";
    const [rows, columns] = Pair.view().shape;
    const [left, top, width, height] = Pair.view().pixels;
    const place = `${Math.round(left + where.x / columns * width)}, ${Math.round(top + where.y / rows * height)}`;
    made.textContent = errors ? `Where ${behind.toUpperCase()} is worst against ${behind === "a" ? "B" : "A"}: ${place}` : `Where they differ most: ${place}`;
    made.addEventListener("click", () => State.set({ panel: "maps", map: name, mode: "difference", zoom: 3, x: where.x / columns, y: where.y / rows }));
    return made;
  }

  return { show, worst };
})();

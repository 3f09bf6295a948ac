"use strict";
// The pair that is shown: its views and methods, with maps unpacked when they are first wanted.
const Pair = (() => {
  let loaded = -1;
  let content = null;

  function open(number) {
    if (number !== loaded) {
      content = JSON.parse(document.getElementById(`pair-${number}`).textContent);
      loaded = number;
    }
    return content;
  }

  const view = () => content.views.find((one) => one.side === State.now.side) || content.views[0];
  const methods = () => view().methods;
  const method = (which) => methods()[Math.min(Math.max(0, State.now[which]), methods().length - 1)];
  const truth = () => methods().find((one) => one.verdict === "truth") || null;

  // Unpack what A, B and the truth consist of.
  async function ready() {
    const shown = view();
    const [rows, columns] = shown.shape;
    const wanted = new Set([method("a"), method("b"), truth()].filter(Boolean));
    if (shown.image && !shown.grey) shown.grey = await Unpack.map(shown.image, rows, columns);
    for (const one of wanted) {
      if (one.values) continue;
      const values = {};
      for (const [name, packed] of Object.entries(one.maps)) {
        values[name] = await Unpack.map(packed, rows, columns);
      }
      one.values = values;
    }
  }

  // Whether A and B are unpacked.
  const shown = () => Boolean(content && method("a").values && method("b").values);

  // The point of a pixel, camera frame; NaN where there is none.
  function point(one, i, out) {
    const [fx, fy, cx, cy] = view().camera;
    const columns = view().shape[1];
    const z = one.values.depth[i];
    out[0] = ((i % columns) + 0.5 - cx) / fx * z + (one.values.off_x ? one.values.off_x[i] : 0);
    out[1] = (Math.floor(i / columns) + 0.5 - cy) / fy * z + (one.values.off_y ? one.values.off_y[i] : 0);
    out[2] = z;
    return out;
  }

  return { open, view, methods, method, truth, ready, shown, point };
})();

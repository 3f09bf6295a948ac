"use strict";
// Values to a canvas of the grid's size, kept until something that it depends on changes.
const Raster = (() => {
  const made = new Map();

  function of(key, values, table, limits, keep) {
    const full = [State.now.pair, State.now.side, key, table, ...limits, keep ? State.now.keep : "all"].join("|");
    if (!made.has(full)) {
      if (made.size > 12) made.clear();
      made.set(full, draw(values, table, limits, keep));
    }
    return made.get(full);
  }

  function draw(values, table, limits, keep) {
    const [rows, columns] = Pair.view().shape;
    const canvas = document.createElement("canvas");
    canvas.width = columns;
    canvas.height = rows;
    const context = canvas.getContext("2d");
    const image = context.createImageData(columns, rows);
    new Uint32Array(image.data.buffer).set(Colours.paint(values, table, limits, keep));
    context.putImageData(image, 0, 0);
    return canvas;
  }

  return { of };
})();

"use strict";
// Colour tables, and values to colours. Colours are 32-bit words as ImageData holds them: ABGR.
const Colours = (() => {
  const tables = {};

  function load(packed) {
    for (const [name, text] of Object.entries(packed)) {
      const rgb = Unpack.bytes(text);
      const words = new Uint32Array(256);
      for (let i = 0; i < 256; i++) {
        words[i] = (0xff000000 | (rgb[3 * i + 2] << 16) | (rgb[3 * i + 1] << 8) | rgb[3 * i]) >>> 0;
      }
      tables[name] = words;
    }
  }

  // Words for all values; 0 (transparent) where a value is NaN or not kept.
  function paint(values, table, [low, high], keep) {
    const words = tables[table];
    const out = new Uint32Array(values.length);
    const factor = 255 / (high - low || 1);
    for (let i = 0; i < values.length; i++) {
      const value = values[i];
      if (value !== value || (keep && !keep[i])) continue;
      const at = Math.round((value - low) * factor);
      out[i] = words[at < 0 ? 0 : at > 255 ? 255 : at];
    }
    return out;
  }

  const css = (word) => `rgb(${word & 255},${(word >> 8) & 255},${(word >> 16) & 255})`;

  return { load, paint, css, table: (name) => tables[name] };
})();

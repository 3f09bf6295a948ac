"use strict";
// Packed maps back to numbers: what lunar_ground/page/packing.py did, the other way round.
const Unpack = (() => {
  function bytes(base64) {
    const text = atob(base64);
    const out = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) out[i] = text.charCodeAt(i);
    return out;
  }

  async function inflate(base64) {
    const stream = new Blob([bytes(base64)]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }

  // (rows * columns) values, NaN where there is none.
  async function map(packed, rows, columns) {
    const planes = await inflate(packed.data);
    const count = rows * columns;
    const codes = new Uint16Array(count);
    const values = new Float32Array(count);
    const { lo, step, log } = packed;
    for (let y = 0, i = 0; y < rows; y++) {
      for (let x = 0; x < columns; x++, i++) {
        const folded = planes[i] | (planes[count + i] << 8);
        const rest = folded & 1 ? -(folded + 1) / 2 : folded / 2;
        const left = x ? codes[i - 1] : 0;
        const above = y ? codes[i - columns] : 0;
        const corner = x && y ? codes[i - columns - 1] : 0;
        codes[i] = rest + left + above - corner; // modulo 65536, as it was packed
        const steps = (codes[i] - 1) * step;
        values[i] = codes[i] ? (log ? lo * Math.exp(steps) : lo + steps) : NaN;
      }
    }
    return values;
  }

  return { bytes, map };
})();

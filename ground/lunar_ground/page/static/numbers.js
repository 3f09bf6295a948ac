"use strict";
// Numbers as people read them, and the statistics that the page needs.
const Numbers = (() => {
  // With so many significant digits as a difference of `resolution` asks for.
  function text(value, resolution) {
    if (value === null || value === undefined || Number.isNaN(value)) return "–";
    if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
    const step = resolution || Math.abs(value) / 1000 || 1;
    const digits = Math.max(0, Math.min(6, -Math.floor(Math.log10(step) + 1e-9)));
    const shown = value.toFixed(digits);
    return (Number(shown) === 0 ? shown.replace("-", "") : shown).replace("-", "−");
  }

  const withUnit = (value, unit, resolution) =>
    text(value, resolution) + (value === null || Number.isNaN(value) || !unit ? "" : (unit === "°" || unit === "%" ? unit === "°" ? "°" : " %" : " " + unit));

  function finite(values, keep) {
    const out = new Float64Array(values.length);
    let n = 0;
    for (let i = 0; i < values.length; i++) {
      const value = values[i];
      if (value === value && Math.abs(value) !== Infinity && (!keep || keep[i])) out[n++] = value;
    }
    return out.subarray(0, n);
  }

  // Quantiles (0 to 1) of the finite values; linear between neighbours, as NumPy's.
  function quantiles(values, shares) {
    const sorted = finite(values).sort();
    if (!sorted.length) return shares.map(() => NaN);
    return shares.map((share) => {
      const at = share * (sorted.length - 1);
      const low = Math.floor(at);
      const high = Math.min(low + 1, sorted.length - 1);
      return sorted[low] + (sorted[high] - sorted[low]) * (at - low);
    });
  }

  const median = (values) => quantiles(values, [0.5])[0];

  // Round values between two limits, for an axis.
  function ticks(low, high, about = 5) {
    const span = high - low;
    if (!(span > 0)) return [low];
    const rough = span / about;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = power * [1, 2, 2.5, 5, 10].find((factor) => factor * power >= rough * 0.999);
    const out = [];
    for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * span; k++) out.push(k * step);
    return out;
  }

  // Probability that a standard normal is below z (Abramowitz and Stegun 7.1.26, 1.5e-7).
  function below(z) {
    const x = Math.abs(z) / Math.SQRT2;
    const t = 1 / (1 + 0.3275911 * x);
    const tail = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429)))) * Math.exp(-x * x);
    return z >= 0 ? 1 - tail / 2 : tail / 2;
  }

  return { text, withUnit, finite, quantiles, median, ticks, below };
})();

"use strict";
// Maps that follow from others: relief, hazard, P(safe), what is kept, and how A differs from B.
const Derive = (() => {
  const cached = new WeakMap();

  function cache(one, key, make) {
    if (!cached.has(one)) cached.set(one, new Map());
    const own = cached.get(one);
    if (!own.has(key)) {
      if (own.size > 24) own.clear();
      own.set(key, make());
    }
    return own.get(key);
  }

  const makers = {
    image: () => Pair.view().grey || null,
    relief(one) {
      if (!one.relief) return null;
      const [a, b, c, d] = one.relief;
      const p = [0, 0, 0];
      return Float32Array.from(one.values.depth, (_, i) => {
        Pair.point(one, i, p);
        return a * p[0] + b * p[1] + c * p[2] + d;
      });
    },
    hazard(one) {
      const { slope, slope_sigma: sigma } = one.values;
      const limit = State.now.limit;
      return slope && slope.map((value, i) => {
        if (value !== value) return NaN;
        if (sigma && Math.abs(value - limit) < sigma[i]) return 1;
        return value > limit ? 2 : 0;
      });
    },
    p_safe(one) {
      const { slope, slope_sigma: sigma } = one.values;
      const limit = State.now.limit;
      return slope && sigma && slope.map((value, i) => Numbers.below((limit - value) / sigma[i]));
    },
  };

  // Values of a layer, or null where the method has none.
  function layer(one, name) {
    if (!(name in makers)) return one.values[name] || null;
    if (name === "image") return makers.image();
    const limited = name === "hazard" || name === "p_safe";
    return cache(one, name + (limited ? State.now.limit : ""), () => makers[name](one) || null);
  }

  // 1 where a pixel is among the surest so many per cent; null = all are.
  function keep(one) {
    const share = State.now.keep;
    const sure = sureness(one);
    if (share >= 100 || !sure) return null;
    return cache(one, "keep" + share, () => {
      const least = Numbers.quantiles(sure, [1 - share / 100])[0];
      return Uint8Array.from(sure, (value) => (value >= least ? 1 : 0));
    });
  }

  function sureness(one) {
    const { depth, depth_sigma: sigma, confidence } = one.values;
    return cache(one, "sureness", () => {
      if (sigma) return depth.map((value, i) => value / sigma[i]);
      return confidence ? confidence.map((value, i) => (depth[i] === depth[i] ? value : NaN)) : null;
    });
  }

  // A − B; of errors |A| − |B|, so that more than 0 means that A is worse. Null where it means nothing.
  function difference(a, b, name) {
    const x = layer(a, name);
    const y = layer(b, name);
    if (!x || !y || !comparable(a, b, name)) return null;
    const errors = name.endsWith("_error");
    return x.map((value, i) => (errors ? Math.abs(value) - Math.abs(y[i]) : value - y[i]));
  }

  function comparable(a, b, name) {
    const unit = Scale.layer(name).unit;
    if (unit === "length") return a.unit === b.unit && a.unit !== "relative";
    if (unit === "height") return a.relief_unit === b.relief_unit && a.relief_unit !== "relative";
    return true;
  }

  return { layer, keep, difference, comparable };
})();

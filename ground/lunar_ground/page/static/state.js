"use strict";
// What is shown, in one flat object; it lives in the address too, so that a link restores it.
const State = (() => {
  const defaults = {
    panel: "maps", pair: 0, side: "left", a: 0, b: 1, map: "depth", mode: "curtain", tool: "move",
    cut: 0.5, zoom: 1, x: 0.5, y: 0.5, keep: 100, limit: 15, line: "", points: "",
    dot: 2, exaggerate: 1, clip: 100, yaw: -0.5, pitch: 0.75, far: 1, tx: 0, ty: 0, tz: 0,
  };
  const now = { ...defaults };
  const listeners = [];
  let pending = false;
  let changed = new Set();

  function read() {
    const given = new URLSearchParams(location.hash.slice(1));
    for (const [name, normal] of Object.entries(defaults)) {
      const text = given.get(name);
      if (text === null) now[name] = normal;
      else if (typeof normal === "string") now[name] = text;
      else now[name] = Number.isFinite(Number(text)) ? Number(text) : normal;
    }
  }

  function hash() {
    const out = new URLSearchParams();
    for (const [name, normal] of Object.entries(defaults)) {
      const value = now[name];
      if (value !== normal) out.set(name, typeof value === "number" ? String(+value.toFixed(5)) : value);
    }
    return "#" + out.toString();
  }

  function set(patch) {
    for (const [name, value] of Object.entries(patch)) {
      if (now[name] !== value) {
        now[name] = value;
        changed.add(name);
      }
    }
    if (changed.size && !pending) {
      pending = true;
      requestAnimationFrame(tell);
    }
  }

  function tell() {
    pending = false;
    const names = changed;
    changed = new Set();
    for (const listener of listeners) listener(names);
    clearTimeout(tell.timer);
    tell.timer = setTimeout(() => history.replaceState(null, "", hash()), 150);
  }

  // "x0,y0,x1,y1" to numbers; empty where it is none.
  const list = (name) => now[name].split(",").filter((t) => t !== "").map(Number).filter(Number.isFinite);

  return { now, defaults, read, hash, set, list, on: (listener) => listeners.push(listener) };
})();

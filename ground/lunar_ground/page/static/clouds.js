"use strict";
// The panel of both clouds: what they show, how they move, and how many points a frame may have.
const Clouds = (() => {
  const WITHIN_MS = 28; // a frame while the camera moves: 30 a second, and time for the browser
  const clouds = { a: new Cloud(document.getElementById("cloud-a")), b: new Cloud(document.getElementById("cloud-b")) };
  const orders = new Map();
  const placed = new WeakMap();
  let share = 1;
  let still = 0;
  let drag = null;
  let lastMs = 0;

  // A fixed shuffle, so that the first points of many are spread over all of the ground.
  function order(count) {
    if (!orders.has(count)) {
      const out = Uint32Array.from({ length: count }, (_, i) => i);
      let seed = 1;
      for (let i = count - 1; i > 0; i--) {
        seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
        const j = seed % (i + 1);
        [out[i], out[j]] = [out[j], out[i]];
      }
      orders.set(count, out);
    }
    return orders.get(count);
  }

  // East, north and up of a method: up is the plane's normal, east the camera's x as far as level.
  function axes(one) {
    const up = one.relief ? one.relief.slice(0, 3) : Values.upOf(one);
    const length = Math.hypot(...up);
    const w = up.map((value) => value / length);
    const east = [1 - w[0] * w[0], -w[0] * w[1], -w[0] * w[2]];
    const size = Math.hypot(...east) || 1;
    const u = east.map((value) => value / size);
    return [u, [w[1] * u[2] - w[2] * u[1], w[2] * u[0] - w[0] * u[2], w[0] * u[1] - w[1] * u[0]], w];
  }

  // One coordinate of the first points: they are a random sample, and enough for a quantile.
  const some = (positions, axis) => Float32Array.from({ length: Math.min(20000, positions.length / 3) }, (_, k) => positions[3 * k + axis]);

  // Positions in the order of drawing, centred, one unit = the extent of the ground.
  function positions(one) {
    if (placed.has(one)) return placed.get(one);
    const count = one.values.depth.length;
    const own = axes(one);
    const raw = new Float32Array(3 * count);
    const p = [0, 0, 0];
    order(count).forEach((i, k) => {
      Pair.point(one, i, p);
      for (let axis = 0; axis < 3; axis++) raw[3 * k + axis] = own[axis][0] * p[0] + own[axis][1] * p[1] + own[axis][2] * p[2];
    });
    const ranges = [0, 1, 2].map((axis) => Numbers.quantiles(some(raw, axis), [0.01, 0.5, 0.99]));
    const size = Math.max(ranges[0][2] - ranges[0][0], ranges[1][2] - ranges[1][0]) || 1;
    const middle = [(ranges[0][0] + ranges[0][2]) / 2, (ranges[1][0] + ranges[1][2]) / 2, ranges[2][1]];
    const made = { raw, size, middle };
    placed.set(one, made);
    return made;
  }

  function fill(which, like) {
    const one = Pair.method(which);
    const { raw, size, middle } = positions(one);
    const scale = like || size;
    const out = new Float32Array(raw.length);
    for (let i = 0; i < raw.length; i++) out[i] = (raw[i] - middle[i % 3]) / scale;
    const name = State.now.map;
    const layer = Scale.layer(name);
    const values = Derive.layer(one, name) || one.values.depth.map((z) => (z === z ? 0.5 : NaN));
    const limits = Derive.layer(one, name) ? Scale.shared(name, which) : [0, 1];
    const keep = Derive.keep(one);
    const words = Colours.paint(values, Derive.layer(one, name) ? layer.colours : "grey", limits, keep);
    const index = order(words.length);
    const colours = new Uint32Array(words.length);
    for (let k = 0; k < colours.length; k++) {
      const i = index[k];
      const known = one.values.depth[i] === one.values.depth[i] && (!keep || keep[i]);
      colours[k] = known ? words[i] || 0xff505050 : 0;
    }
    clouds[which].fill(out, colours, index);
    clouds[which].heights = Numbers.quantiles(some(out, 2), [0.005, 0.995]);
    document.getElementById(`cloud-name-${which}`).textContent = `${which.toUpperCase()}  ${one.name}`;
  }

  function refill() {
    const [a, b] = [Pair.method("a"), Pair.method("b")];
    fill("a", 0);
    fill("b", a.unit === b.unit && a.unit !== "relative" ? positions(a).size : 0);
    settle();
  }

  // Height above which points are cut off, in the cloud's unit.
  function clip(cloud) {
    const [low, high] = cloud.heights;
    return State.now.clip >= 100 || !(high > low) ? Infinity : low + (State.now.clip / 100) * (high - low);
  }

  function draw(part) {
    const camera = Camera.now();
    const start = performance.now();
    const ratio = Math.min(1.5, window.devicePixelRatio || 1);
    for (const cloud of Object.values(clouds)) {
      cloud.resize(ratio);
      cloud.draw(camera, State.now.dot, part, [State.now.exaggerate, clip(cloud)]);
    }
    lastMs = performance.now() - start;
    return lastMs;
  }

  // While something moves: as many points as fit into a frame. All of them once it is still.
  function moving() {
    const took = draw(share);
    share = Math.min(1, Math.max(0.05, share * Math.min(1.5, Math.max(0.5, WITHIN_MS / took))));
    settle();
  }

  function settle() {
    clearTimeout(still);
    still = setTimeout(() => draw(1), 120);
  }

  // Frames a second over some seconds of turning, for whoever wants to know.
  function frames(seconds) {
    return new Promise((done) => {
      const start = performance.now();
      let count = 0;
      (function step() {
        const t = (performance.now() - start) / 1000;
        if (t >= seconds) return done({ frames: count / t, share, points: clouds.a.count + clouds.b.count });
        State.now.yaw += 0.02;
        moving();
        count++;
        return requestAnimationFrame(step);
      })();
    });
  }

  for (const cloud of Object.values(clouds)) {
    const { canvas } = cloud;
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      drag = { x: event.clientX, y: event.clientY, shift: event.shiftKey || event.button > 0 };
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!drag) return;
      const [dx, dy] = [event.clientX - drag.x, event.clientY - drag.y];
      [drag.x, drag.y] = [event.clientX, event.clientY];
      if (drag.shift) Camera.shift(dx / canvas.clientHeight, dy / canvas.clientHeight);
      else Camera.turn(-dx / 180, dy / 180);
    });
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => { drag = null; });
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      Camera.zoom(Math.exp(event.deltaY / 500));
    }, { passive: false });
    canvas.addEventListener("dblclick", (event) => {
      const box = canvas.getBoundingClientRect();
      const ratio = canvas.width / box.width;
      const i = cloud.pick(Math.round((event.clientX - box.left) * ratio), Math.round((event.clientY - box.top) * ratio));
      if (i >= 0) Camera.fly(Array.from(cloud.positions.subarray(3 * i, 3 * i + 3)));
    });
  }

  // Pixels of the visible points of A or B, for saving.
  function visible(which) {
    const cloud = clouds[which];
    const above = clip(cloud);
    const out = [];
    for (let k = 0; k < cloud.count; k++) {
      if (cloud.colours[k] && !(cloud.positions[3 * k + 2] > above)) out.push([cloud.index[k], cloud.colours[k]]);
    }
    return out.sort((p, q) => p[0] - q[0]);
  }

  return { refill, moving, draw, frames, visible, clouds };
})();

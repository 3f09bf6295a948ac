"use strict";
// The one camera of both clouds: it turns around a target, in units of the scene's size.
const Camera = (() => {
  function now() {
    const { yaw, pitch, far, tx, ty, tz } = State.now;
    const forward = [Math.sin(yaw) * Math.cos(pitch), Math.cos(yaw) * Math.cos(pitch), -Math.sin(pitch)];
    const right = [Math.cos(yaw), -Math.sin(yaw), 0];
    const up = [Math.sin(yaw) * Math.sin(pitch), Math.cos(yaw) * Math.sin(pitch), Math.cos(pitch)];
    const eye = [tx, ty, tz * State.now.exaggerate].map((value, i) => value - 1.6 * far * forward[i]);
    return { forward, right, up, eye };
  }

  function turn(dx, dy) {
    State.set({ yaw: State.now.yaw - dx, pitch: Math.min(1.57, Math.max(-1.57, State.now.pitch + dy)) });
  }

  function shift(dx, dy) {
    const { right, up } = now();
    const way = right.map((value, i) => State.now.far * (-dx * value + dy * up[i]));
    State.set({ tx: State.now.tx + way[0], ty: State.now.ty + way[1], tz: State.now.tz + way[2] / State.now.exaggerate });
  }

  const zoom = (factor) => State.set({ far: Math.min(8, Math.max(0.02, State.now.far * factor)) });

  // Move to a point in a third of a second.
  function fly(to) {
    const start = performance.now();
    const { tx, ty, tz, far } = State.now;
    const near = Math.max(0.05, far * 0.5);
    (function step() {
      const t = Math.min(1, (performance.now() - start) / 350);
      const s = t * t * (3 - 2 * t);
      State.set({ tx: tx + s * (to[0] - tx), ty: ty + s * (to[1] - ty), tz: tz + s * (to[2] - tz), far: far + s * (near - far) });
      if (t < 1) setTimeout(step, 15);
    })();
  }

  return { now, turn, shift, zoom, fly };
})();

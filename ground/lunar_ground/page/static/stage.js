"use strict";
// The canvas of the maps: A and B under one pan and zoom, the curtain, marks, and the pointer.
const Stage = (() => {
  const canvas = document.getElementById("stage");
  const context = canvas.getContext("2d");
  let hover = null; // pixel of the grid under the pointer
  let drag = null;

  // Where the grid lies on a part of the canvas: part's left edge and width in canvas pixels.
  function frame(part) {
    const [rows, columns] = Pair.view().shape;
    const scale = Math.min(part.width / columns, canvas.height / rows) * State.now.zoom;
    return {
      scale,
      left: part.left + part.width / 2 - State.now.x * columns * scale,
      top: canvas.height / 2 - State.now.y * rows * scale,
    };
  }

  function parts() {
    const width = canvas.width;
    if (State.now.mode !== "beside") return [{ which: "a", left: 0, width }];
    return [{ which: "a", left: 0, width: width / 2 }, { which: "b", left: width / 2, width: width / 2 }];
  }

  // Where the marks of A, of B or of both go, and the part whose frame they are in.
  function marked() {
    const whole = { left: 0, width: canvas.width };
    if (State.now.mode === "beside") return parts().map((part) => [part, part]);
    if (State.now.mode === "difference") return [[{ which: "both", ...whole }, whole]];
    const cut = Math.round(State.now.cut * canvas.width);
    return [[{ which: "a", left: 0, width: cut }, whole], [{ which: "b", left: cut, width: canvas.width - cut }, whole]];
  }

  function resize() {
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    const width = Math.max(1, Math.round(canvas.clientWidth * ratio));
    const height = Math.max(1, Math.round(canvas.clientHeight * ratio));
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
    }
  }

  function picture(which) {
    const name = State.now.map;
    const one = Pair.method(which);
    const values = Derive.layer(one, name);
    if (!values) return null;
    const keep = name === "image" ? null : Derive.keep(one);
    return Raster.of(`${name}:${one.name}:${State.now.limit}`, values, Scale.layer(name).colours, Scale.shared(name, which), keep);
  }

  function draw() {
    if (!canvas.clientWidth || !Pair.shown()) return;
    resize();
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = "#0c0d0f";
    context.fillRect(0, 0, canvas.width, canvas.height);
    const missing = State.now.mode === "difference" ? drawDifference() : drawBoth();
    document.getElementById("empty").hidden = !missing;
    document.getElementById("empty").textContent = missing;
    for (const [part, whole] of marked()) Marks.draw(context, frame(whole), part, hover);
    corners();
  }

  function drawBoth() {
    const curtain = State.now.mode === "curtain";
    const cut = curtain ? Math.round(State.now.cut * canvas.width) : canvas.width / 2;
    const whole = { left: 0, width: canvas.width };
    const spans = [["a", 0, cut], ["b", cut, canvas.width]];
    const without = [];
    spans.forEach(([which, from, to], i) => {
      const made = picture(which);
      if (!made) without.push(`${which.toUpperCase()} (${Pair.method(which).name})`);
      else put(made, frame(curtain ? whole : parts()[i]), from, to);
    });
    if (curtain || State.now.mode === "beside") {
      context.fillStyle = "#e4e6eacc";
      context.fillRect(cut - 1, 0, 2, canvas.height);
    }
    if (curtain) handle(cut);
    return without.length ? `${Scale.layer(State.now.map).label}: nothing of ${without.join(" and ")}` : "";
  }

  function handle(cut) {
    context.beginPath();
    context.arc(cut, canvas.height / 2, 9, 0, 7);
    context.fillStyle = "#e4e6ea";
    context.fill();
  }

  function drawDifference() {
    const [a, b] = [Pair.method("a"), Pair.method("b")];
    const name = State.now.map;
    const values = Derive.difference(a, b, name);
    if (!values) {
      return Derive.comparable(a, b, name) ? `${Scale.layer(name).label}: A and B do not both have it`
        : "Lengths without a common unit have no difference";
    }
    const made = Raster.of(`${name}:${a.name}-${b.name}:${State.now.limit}`, values, "difference", Scale.difference(values), Derive.keep(a));
    put(made, frame(parts()[0]), 0, canvas.width);
    return "";
  }

  function put(picture, { scale, left, top }, from, to) {
    context.save();
    context.beginPath();
    context.rect(from, 0, to - from, canvas.height);
    context.clip();
    context.imageSmoothingEnabled = scale < 1;
    context.drawImage(picture, left, top, picture.width * scale, picture.height * scale);
    context.restore();
  }

  function corners() {
    const alone = State.now.mode === "difference";
    const text = (which) => `${which.toUpperCase()}  ${Pair.method(which).name}`;
    const [a, b] = [document.getElementById("corner-a"), document.getElementById("corner-b")];
    a.textContent = alone ? (State.now.map.endsWith("_error") ? "|A| − |B|" : "A − B") : text("a");
    b.textContent = alone ? "" : text("b");
    b.hidden = alone;
  }

  // Grid coordinates (pixels and fractions) of an event, and the part that it is on.
  function place(event) {
    const box = canvas.getBoundingClientRect();
    const ratio = canvas.width / box.width;
    const [x, y] = [(event.clientX - box.left) * ratio, (event.clientY - box.top) * ratio];
    const part = parts().find((one) => x >= one.left && x <= one.left + one.width) || parts()[0];
    const { scale, left, top } = frame(part);
    return { x: (x - left) / scale, y: (y - top) / scale, scale: scale / ratio, canvasX: x };
  }

  const nearCut = (at) => State.now.mode === "curtain" && Math.abs(at.canvasX - State.now.cut * canvas.width) < 14;

  function pressed(event) {
    canvas.setPointerCapture(event.pointerId);
    const at = place(event);
    const { tool } = State.now;
    if (nearCut(at)) drag = { kind: "cut" };
    else if (tool === "line") {
      drag = { kind: "line", from: at };
    } else if (tool === "measure") {
      const points = State.list("points");
      const kept = points.length >= 4 ? [] : points;
      State.set({ points: [...kept, at.x, at.y].map((v) => v.toFixed(2)).join(",") });
    } else drag = { kind: "pan", from: at, clientX: event.clientX, clientY: event.clientY, x: State.now.x, y: State.now.y };
  }

  function moved(event) {
    const at = place(event);
    const [rows, columns] = Pair.view().shape;
    if (drag && drag.kind === "cut") State.set({ cut: Math.min(1, Math.max(0, at.canvasX / canvas.width)) });
    if (drag && drag.kind === "line") {
      State.set({ line: [drag.from.x, drag.from.y, at.x, at.y].map((v) => v.toFixed(2)).join(",") });
    }
    if (drag && drag.kind === "pan") {
      State.set({
        x: drag.x - (event.clientX - drag.clientX) / at.scale / columns,
        y: drag.y - (event.clientY - drag.clientY) / at.scale / rows,
      });
    }
    canvas.style.cursor = nearCut(at) || (drag && drag.kind === "cut") ? "ew-resize" : "crosshair";
    look(at.x, at.y);
  }

  function look(x, y) {
    if (!Pair.shown()) return;
    const [rows, columns] = Pair.view().shape;
    const inside = x >= 0 && y >= 0 && x < columns && y < rows;
    hover = inside ? { x: Math.floor(x), y: Math.floor(y) } : null;
    Values.show(hover);
    requestAnimationFrame(draw);
  }

  function zoomed(factor, at) {
    const [rows, columns] = Pair.view().shape;
    const zoom = Math.min(64, Math.max(0.5, State.now.zoom * factor));
    const kept = State.now.zoom / zoom;
    const [x, y] = at ? [at.x / columns, at.y / rows] : [State.now.x, State.now.y];
    State.set({ zoom, x: x + (State.now.x - x) * kept, y: y + (State.now.y - y) * kept });
  }

  canvas.addEventListener("pointerdown", pressed);
  canvas.addEventListener("pointermove", moved);
  canvas.addEventListener("pointerup", () => { drag = null; });
  canvas.addEventListener("pointercancel", () => { drag = null; });
  canvas.addEventListener("pointerleave", () => { if (!drag) look(-1, -1); });
  canvas.addEventListener("dblclick", () => State.set({ zoom: 1, x: 0.5, y: 0.5 }));
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoomed(Math.exp(-event.deltaY / 400), place(event));
  }, { passive: false });
  new ResizeObserver(() => draw()).observe(canvas);

  return { draw, zoomed, look, canvas };
})();

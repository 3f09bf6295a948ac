"use strict";
// What a reader takes along: a picture, the profile, points, a link.
const Save = (() => {
  function download(content, type, name) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }

  const plain = (text) => text.replace(/[^A-Za-z0-9._-]+/g, "_").slice(0, 60);
  const name = (kind, end) => `${plain(Pair.open(State.now.pair).name)}_${plain(kind)}.${end}`;

  // The maps or both clouds with a line on what they show.
  function png() {
    const panels = State.now.panel === "clouds" ? [Clouds.clouds.a.canvas, Clouds.clouds.b.canvas] : [Stage.canvas];
    if (State.now.panel === "clouds") Clouds.draw(1);
    const out = document.createElement("canvas");
    out.width = panels.reduce((sum, one) => sum + one.width, 0);
    out.height = panels[0].height + 64;
    const context = out.getContext("2d");
    context.fillStyle = "#141518";
    context.fillRect(0, 0, out.width, out.height);
    let left = 0;
    for (const one of panels) {
      context.drawImage(one, left, 0);
      left += one.width;
    }
    context.fillStyle = "#e4e6ea";
    context.font = "14px system-ui, sans-serif";
    const words = [document.getElementById("legend-name").textContent, `A: ${Pair.method("a").name}`, `B: ${Pair.method("b").name}`];
    context.fillText(words.join("    "), 10, panels[0].height + 20);
    context.drawImage(document.getElementById("bar"), 10, panels[0].height + 28, out.width - 20, 10);
    for (const mark of document.getElementById("ticks").children) {
      context.textAlign = "center";
      context.fillText(mark.textContent, Math.min(out.width - 40, Math.max(40, 10 + (out.width - 20) * parseFloat(mark.style.left) / 100)), panels[0].height + 56);
    }
    out.toBlob((blob) => download(blob, "image/png", name(State.now.panel === "clouds" ? "clouds" : State.now.map, "png")), "image/png");
  }

  function csvText() {
    const found = Profile.sample();
    const [left, top, width, height] = Pair.view().pixels;
    const [rows, columns] = Pair.view().shape;
    const quoted = (text) => `"${text.replaceAll('"', '""')}"`;
    const head = ["x_px", "y_px", `distance_${found.unit || "relative"}`];
    for (const one of found.series) {
      head.push(quoted(`${State.now.map} of ${one.name} (${one.unit || "1"})`));
      if (one.sigma) head.push(quoted(`sigma of ${one.name}`));
    }
    const number = (value) => (Number.isFinite(value) ? String(+value.toPrecision(9)) : "");
    const lines = found.pixels.map(([x, y], k) => [
      number(left + x / columns * width), number(top + y / rows * height), number(found.along[k]),
      ...found.series.flatMap((one) => (one.sigma ? [number(one.values[k]), number(one.sigma[k])] : [number(one.values[k])])),
    ].join(","));
    return `${[head.join(","), ...lines].join("\r\n")}\r\n`;
  }

  // The visible points of A or B: binary PLY, camera frame.
  function plyBytes(which) {
    const one = Pair.method(which);
    const points = Clouds.visible(which);
    const head = new TextEncoder().encode(["ply", "format binary_little_endian 1.0", `comment unit: ${one.unit}`,
      `comment frame: ${Pair.view().side} camera, x right, y down, z forward`, `element vertex ${points.length}`,
      ..."xyz".split("").map((axis) => `property float ${axis}`), ...["red", "green", "blue"].map((c) => `property uchar ${c}`), "end_header", ""].join("\n"));
    const body = new DataView(new ArrayBuffer(15 * points.length));
    const p = [0, 0, 0];
    points.forEach(([i, colour], k) => {
      Pair.point(one, i, p);
      for (let axis = 0; axis < 3; axis++) body.setFloat32(15 * k + 4 * axis, p[axis], true);
      for (let c = 0; c < 3; c++) body.setUint8(15 * k + 12 + c, (colour >> (8 * c)) & 255);
    });
    return new Blob([head, body.buffer]);
  }

  function ply(which) {
    Clouds.refill();
    download(plyBytes(which), "application/octet-stream", name(Pair.method(which).name, "ply"));
  }

  async function link() {
    const button = document.getElementById("save-link");
    const address = location.href.split("#")[0] + State.hash();
    try {
      await navigator.clipboard.writeText(address);
      button.textContent = "Copied";
    } catch {
      location.hash = State.hash(); // no clipboard from a file: the address line has it
      button.textContent = "In the address";
    }
    setTimeout(() => { button.textContent = "Link"; }, 1500);
  }

  return { png, csv: () => download(csvText(), "text/csv", name("profile", "csv")), ply, link, csvText, plyBytes };
})();

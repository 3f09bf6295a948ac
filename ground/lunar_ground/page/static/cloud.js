"use strict";
// One point cloud on a 2-D canvas: points are projected, depth-tested and written by this script.
// With software WebGL this was three to six times as fast as three.js; docs/notes/page.md has more.
class Cloud {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d", { alpha: false });
    this.count = 0;
  }

  // positions: x, y, z of each point in turn, in a random order; colours: words, 0 = not shown.
  fill(positions, colours, index) {
    this.positions = positions;
    this.colours = colours;
    this.index = index;
    this.count = colours.length;
  }

  resize(ratio) {
    const width = Math.max(2, Math.round(this.canvas.clientWidth * ratio));
    const height = Math.max(2, Math.round(this.canvas.clientHeight * ratio));
    if (this.width === width && this.height === height) return;
    this.canvas.width = this.width = width;
    this.canvas.height = this.height = height;
    this.image = this.context.createImageData(width, height);
    this.pixels = new Uint32Array(this.image.data.buffer);
    this.depths = new Float32Array(width * height);
    this.which = new Int32Array(width * height);
  }

  // camera: eye, and right, up, forward as unit vectors; heights: [factor, clip above].
  draw(camera, dot, share, [tall, clip]) {
    const { width, height, positions, colours, pixels, depths, which } = this;
    pixels.fill(0xff0f0d0c);
    depths.fill(Infinity);
    which.fill(-1);
    const [ex, ey, ez] = camera.eye;
    const [rx, ry, rz] = camera.right;
    const [ux, uy, uz] = camera.up;
    const [fx, fy, fz] = camera.forward;
    const focal = 1.1 * Math.min(width, height);
    const [cx, cy] = [width / 2, height / 2];
    const many = Math.ceil(this.count * share);
    let shown = 0;
    for (let i = 0, j = 0; i < many; i++, j += 3) {
      const colour = colours[i];
      if (!colour || positions[j + 2] > clip) continue;
      const x = positions[j] - ex;
      const y = positions[j + 1] - ey;
      const z = positions[j + 2] * tall - ez;
      const depth = x * fx + y * fy + z * fz;
      if (!(depth > 0.01)) continue;
      const zoom = focal / depth;
      const px = (cx + zoom * (x * rx + y * ry + z * rz)) | 0;
      const py = (cy - zoom * (x * ux + y * uy + z * uz)) | 0;
      if (px < 0 || py < 0 || px + dot > width || py + dot > height) continue;
      shown++;
      for (let v = 0, k = py * width + px; v < dot; v++, k += width - dot) {
        for (let u = 0; u < dot; u++, k++) {
          if (depth < depths[k]) {
            depths[k] = depth;
            pixels[k] = colour;
            which[k] = i;
          }
        }
      }
    }
    this.context.putImageData(this.image, 0, 0);
    this.shown = shown;
    return shown;
  }

  // Number of the point nearest to a place on the canvas, within some pixels; -1 = none.
  pick(x, y) {
    let [best, found] = [13 * 13, -1];
    for (let v = Math.max(0, y - 12); v <= Math.min(this.height - 1, y + 12); v++) {
      for (let u = Math.max(0, x - 12); u <= Math.min(this.width - 1, x + 12); u++) {
        const far = (u - x) ** 2 + (v - y) ** 2;
        const i = this.which[v * this.width + u];
        if (i >= 0 && far < best) [best, found] = [far, i];
      }
    }
    return found;
  }
}

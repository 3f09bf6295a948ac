"use strict";
// Keys, and the list of them.
const Keys = (() => {
  const step = (name, by, low, high) => () => State.set({ [name]: Math.min(high, Math.max(low, State.now[name] + by)) });
  const turn = (name, values) => () => State.set({ [name]: values()[(values().indexOf(State.now[name]) + 1) % values().length] });
  const move = (x, y) => () => (State.now.panel === "clouds" ? Camera.turn(x, y) : State.set({ x: State.now.x + x / State.now.zoom, y: State.now.y + y / State.now.zoom }));
  const layer = (number) => () => {
    const option = [...document.getElementById("map").options].filter((one) => !one.disabled)[number];
    if (option) State.set({ map: option.value });
  };

  const keys = {
    s: ["Swap A and B", Controls.swap],
    c: ["Curtain", () => State.set({ mode: "curtain", panel: "maps" })],
    b: ["Side by side", () => State.set({ mode: "beside", panel: "maps" })],
    d: ["Difference", () => State.set({ mode: "difference", panel: "maps" })],
    "[": ["Curtain to the left", step("cut", -0.02, 0, 1)],
    "]": ["Curtain to the right", step("cut", 0.02, 0, 1)],
    "1 … 9": ["Maps in the order of the menu", null],
    h: ["Move and look", () => State.set({ tool: "move" })],
    l: ["Profile along a line", () => State.set({ tool: "line", panel: "maps" })],
    m: ["Distance of two points", () => State.set({ tool: "measure", panel: "maps" })],
    "+": ["Nearer", () => (State.now.panel === "clouds" ? Camera.zoom(0.8) : Stage.zoomed(1.25))],
    "-": ["Farther", () => (State.now.panel === "clouds" ? Camera.zoom(1.25) : Stage.zoomed(0.8))],
    ArrowLeft: ["Move or turn", move(-0.05, 0)],
    ArrowRight: ["", move(0.05, 0)],
    ArrowUp: ["", move(0, -0.05)],
    ArrowDown: ["", move(0, 0.05)],
    0: ["All of it again", () => State.set({ zoom: 1, x: 0.5, y: 0.5, yaw: State.defaults.yaw, pitch: State.defaults.pitch, far: 1, tx: 0, ty: 0, tz: 0 })],
    k: ["Next panel", turn("panel", () => [...document.getElementById("panels").children].filter((one) => !one.hidden).map((one) => one.dataset.panel))],
    p: ["Next pair", turn("pair", () => [...document.getElementById("pairs").children].map((_, i) => i))],
    v: ["Left or right camera", turn("side", () => Pair.open(State.now.pair).views.map((one) => one.side))],
    Escape: ["Remove line and points", () => State.set({ line: "", points: "", tool: "move" })],
    "?": ["This list", () => help()],
  };

  function help() {
    const dialog = document.getElementById("keys");
    const list = document.createElement("dl");
    for (const [key, [text]] of Object.entries(keys)) {
      if (text) list.append(Values.cell("dt", key === "ArrowLeft" ? "Arrows" : key), Values.cell("dd", text));
    }
    const close = Values.cell("button", "Close");
    close.addEventListener("click", () => dialog.close());
    dialog.replaceChildren(Values.cell("h2", "Keys"), list, close);
    dialog.showModal();
  }

  function pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { target } = event;
    const arrow = event.key.startsWith("Arrow");
    if (target.matches("input, select") && (arrow || target.matches("select"))) return;
    if (document.getElementById("keys").open) return;
    const number = "123456789".indexOf(event.key);
    const action = number >= 0 ? layer(number) : (keys[event.key] || [])[1];
    if (!action) return;
    event.preventDefault();
    action();
  }

  function connect() {
    document.addEventListener("keydown", pressed);
    document.getElementById("help").addEventListener("click", help);
  }

  return { connect };
})();

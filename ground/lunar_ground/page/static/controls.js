"use strict";
// Menus, buttons and sliders: they set the state, and show it.
const Controls = (() => {
  const get = (id) => document.getElementById(id);
  const sliders = {
    keep: (value) => `${value} %`,
    limit: (value) => `${value}°`,
    cut: (value) => `${Math.round(100 * value)} %`,
    dot: (value) => `${value} px`,
    exaggerate: (value) => `${value} ×`,
    clip: (value) => (value >= 100 ? "off" : `${value} %`),
  };

  function swap() {
    State.set({ a: State.now.b, b: State.now.a });
  }

  function connect(pairs) {
    for (const id of ["a", "b"]) get(id).addEventListener("change", (event) => State.set({ [id]: Number(event.target.value) }));
    get("map").addEventListener("change", (event) => State.set({ map: event.target.value }));
    get("swap").addEventListener("click", swap);
    for (const id of Object.keys(sliders)) get(id).addEventListener("input", (event) => State.set({ [id]: Number(event.target.value) }));
    for (const [group, key] of [["mode", "mode"], ["side", "side"], ["tool", "tool"], ["panels", "panel"]]) {
      for (const button of get(group).children) button.addEventListener("click", () => State.set({ [key]: button.dataset[key] }));
      get(group).addEventListener("keydown", (event) => arrows(event, get(group)));
    }
    get("save-png").addEventListener("click", Save.png);
    get("save-csv").addEventListener("click", Save.csv);
    get("save-ply-a").addEventListener("click", () => Save.ply("a"));
    get("save-ply-b").addEventListener("click", () => Save.ply("b"));
    get("save-link").addEventListener("click", Save.link);
    get("contrast").addEventListener("click", () => {
      const on = document.documentElement.classList.toggle("contrast");
      get("contrast").setAttribute("aria-pressed", String(on));
    });
    get("pairs").replaceChildren(...pairs.map((pair, i) => pairButton(pair, i)));
    get("pairs").hidden = pairs.length < 2;
  }

  // Arrow keys within a group, as radio buttons and tabs have them.
  function arrows(event, group) {
    const way = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!way) return;
    const all = [...group.children].filter((one) => !one.hidden && !one.disabled);
    const next = all[(all.indexOf(document.activeElement) + way + all.length) % all.length];
    next.focus();
    next.click();
    event.preventDefault();
    event.stopPropagation();
  }

  function pairButton(pair, i) {
    const button = document.createElement("button");
    const canvas = document.createElement("canvas");
    button.append(canvas, Values.cell("span", pair.name));
    button.title = pair.name;
    button.setAttribute("aria-label", `Pair ${pair.name}`);
    button.addEventListener("click", () => State.set({ pair: i }));
    const [rows, columns] = pair.thumbnail.shape;
    Unpack.map(pair.thumbnail.map, rows, columns).then((values) => {
      canvas.width = columns;
      canvas.height = rows;
      const context = canvas.getContext("2d");
      const image = context.createImageData(columns, rows);
      new Uint32Array(image.data.buffer).set(Colours.paint(values, "grey", [0, 255]));
      context.putImageData(image, 0, 0);
    });
    return button;
  }

  function options(select, entries, value) {
    select.replaceChildren(...entries.map(([key, text, off]) => {
      const made = Values.cell("option", text);
      made.value = key;
      made.disabled = Boolean(off);
      return made;
    }));
    select.value = String(value);
  }

  function show() {
    const { now } = State;
    const methods = Pair.methods();
    const names = methods.map((one, i) => [i, one.verdict === "guessed" ? `${one.name} (guessed)` : one.name]);
    options(get("a"), names, methods.indexOf(Pair.method("a")));
    options(get("b"), names, methods.indexOf(Pair.method("b")));
    const has = (one, name) => {
      if (name === "image") return Boolean(Pair.view().image);
      if (name === "relief") return Boolean(one.relief);
      if (name === "hazard") return "slope" in one.maps;
      if (name === "p_safe") return "slope" in one.maps && "slope_sigma" in one.maps;
      return name in one.maps;
    };
    const offered = Scale.all().filter((layer) => methods.some((one) => has(one, layer.name)));
    const shown = (name) => has(Pair.method("a"), name) || has(Pair.method("b"), name);
    options(get("map"), offered.map((layer) => [layer.name, layer.label, !shown(layer.name)]), now.map);
    for (const [group, key] of [["mode", "mode"], ["side", "side"], ["tool", "tool"]]) {
      for (const button of get(group).children) choose(button, "aria-checked", button.dataset[key] === now[key]);
    }
    get("side").hidden = Pair.open(now.pair).views.length < 2;
    for (const button of get("panels").children) {
      const on = button.dataset.panel === now.panel;
      choose(button, "aria-selected", on);
      get(`panel-${button.dataset.panel}`).hidden = !on;
    }
    [...get("pairs").children].forEach((button, i) => button.setAttribute("aria-current", String(i === now.pair)));
    for (const [id, text] of Object.entries(sliders)) {
      get(id).value = now[id];
      get(`${id}-out`).textContent = text(now[id]);
    }
    get("mode").hidden = now.panel !== "maps";
    get("values").hidden = now.panel !== "maps";
    get("cloud-settings").hidden = now.panel !== "clouds";
    get("map-settings").hidden = now.panel !== "maps" || now.mode !== "curtain";
    notes();
  }

  function choose(button, attribute, on) {
    button.setAttribute(attribute, String(on));
    button.tabIndex = on ? 0 : -1;
  }

  function notes() {
    const parts = [];
    const listed = [["A", "a"], ["B", "b"]].map(([title, which]) => [`${title}: ${Pair.method(which).verdict || "not judged"}`, Pair.method(which).notes]);
    for (const [title, lines] of [...listed, ["Shown", Pair.view().notes]]) {
      if (!lines.length) continue;
      const list = document.createElement("ul");
      list.append(...lines.map((line) => Values.cell("li", line)));
      parts.push(Values.cell("h2", title), list);
    }
    get("notes").replaceChildren(...parts);
  }

  return { connect, show, swap };
})();

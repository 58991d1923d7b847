// Wheel, drag, pinch and keys.

/** How far a wheel has turned, in pixels. */
const turned = (value, mode) => value * (mode === 1 ? 16 : mode === 2 ? 400 : 1);

/** Let somebody move the lanes; places are in pixels from the corner of the bars. */
export function listen(view, element, signal) {
  const pointers = new Map();
  let pressed = null; // {x, y, moved}
  let apart = 0;
  const at = (event) => {
    const box = view.canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const on = (name, fn, options) => element.addEventListener(name, fn, { signal, ...options });

  on("wheel", (event) => {
    const [x] = at(event);
    if (x < 0) return; // over the names: scrolls
    event.preventDefault();
    const across = turned(event.deltaX, event.deltaMode);
    const down = turned(event.deltaY, event.deltaMode);
    if (event.shiftKey) view.pan(down || across);
    else if (Math.abs(across) > Math.abs(down)) view.pan(across);
    else view.zoom(Math.exp(Math.max(-300, Math.min(300, down)) * 0.0018), x);
  }, { passive: false });

  on("pointerdown", (event) => {
    const [x, y] = at(event);
    if (x < 0 || event.button !== 0 || event.target.closest(".tl-lane, .tl-grip")) return;
    pointers.set(event.pointerId, [x, y]);
    pressed = { x, y, moved: false, top: view.scroll.scrollTop };
    apart = spread(pointers);
  });

  on("pointermove", (event) => {
    const [x, y] = at(event);
    const before = pointers.get(event.pointerId);
    if (!before || !pressed) {
      if (event.pointerType !== "touch") view.look.hover(x, y);
      return;
    }
    if (!pressed.moved && Math.hypot(x - pressed.x, y - pressed.y) < 4) return;
    if (!pressed.moved) {
      pressed.moved = true;
      element.setPointerCapture(event.pointerId);
      view.look.leave();
    }
    pointers.set(event.pointerId, [x, y]);
    if (pointers.size === 2) {
      const wide = spread(pointers);
      const [[one], [two]] = pointers.values();
      if (apart > 10 && wide > 10) view.zoom(apart / wide, (one + two) / 2);
      apart = wide;
    } else {
      view.pan(before[0] - x);
      if (event.pointerType !== "touch") view.scroll.scrollTop = pressed.top + pressed.y - y;
    }
  });

  for (const name of ["pointerup", "pointercancel"]) {
    on(name, (event) => {
      if (!pointers.delete(event.pointerId) || !pressed) return;
      const [x, y] = at(event);
      if (!pressed.moved && name === "pointerup") view.look.press(x, y);
      if (pointers.size === 0) pressed = null;
      apart = spread(pointers);
    });
  }
  on("pointerleave", () => view.look.leave());
}

const spread = (pointers) => {
  if (pointers.size !== 2) return 0;
  const [[one], [two]] = pointers.values();
  return Math.abs(one - two);
};

/** The keys of the chart, for the help of the page. */
export const KEYS = [
  ["+ -", "closer, wider"], ["0", "as at first"], ["← →", "earlier, later"],
  ["Home End", "the oldest, now"], ["↓ Enter", "go to the bars; arrows go from bar to bar"],
  ["Enter", "on a bar: open it"], ["Esc", "back"],
];

/** What a key means for the chart; returns whether it meant something. */
export function keyed(view, event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return false;
  const far = view.width * (event.shiftKey ? 0.5 : 0.12);
  const page = view.height * 0.8;
  const actions = {
    "+": () => view.zoom(1 / 1.5), "=": () => view.zoom(1 / 1.5), "-": () => view.zoom(1.5), 0: () => view.preset(),
    ArrowLeft: () => view.pan(-far), ArrowRight: () => view.pan(far),
    Home: () => view.pan(view.scale.x(view.model.from) - 8), End: () => view.goNow(),
    PageUp: () => view.scroll.scrollBy(0, -page), PageDown: () => view.scroll.scrollBy(0, page),
    ArrowDown: () => view.walk.button.focus(), Enter: () => view.walk.button.focus(),
    Escape: () => view.drawer.close(),
  };
  actions[event.key]?.();
  return event.key in actions;
}

// How often something may be done.

/** Call a function soon, and not again before it has ended and `ms` have passed. */
export function paced(fn, ms, signal) {
  let timer = 0;
  let next = 0;
  let busy = false;
  let again = false;
  async function turn() {
    timer = 0;
    busy = true;
    again = false;
    const began = performance.now();
    await fn();
    const now = performance.now();
    next = now + Math.max(ms, 10 * (now - began)); // a service that is slow is asked less often
    busy = false;
    if (again) ask();
  }
  function ask() {
    again = true;
    if (!busy && !timer && !signal.aborted) timer = setTimeout(turn, next - performance.now());
  }
  signal.addEventListener("abort", () => clearTimeout(timer));
  return ask;
}

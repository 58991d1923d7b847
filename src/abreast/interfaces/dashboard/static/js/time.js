// Times as people read them. Every function takes seconds since 1970 or the text of the API.

const known = new Map();

function format(name, options, zone) {
  const key = `${name} ${zone ?? ""}`;
  if (!known.has(key)) {
    known.set(key, new Intl.DateTimeFormat("en-GB", { ...options, timeZone: zone }));
  }
  return known.get(key);
}

/** The zone of whoever looks. */
export const viewerZone = Intl.DateTimeFormat().resolvedOptions().timeZone;

/** Seconds since 1970 of a time of the API (text, number or null). */
export const seconds = (time) => (typeof time === "string" ? Date.parse(time) / 1000 : time ?? null);

/** 14:05:09 */
export function clock(time, zone) {
  const at = seconds(time);
  if (at === null) return "–";
  const options = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
  return format("clock", options, zone).format(at * 1000);
}

/** Fri 21 Nov; with the year when it is another one. */
export function day(time, zone) {
  const at = seconds(time);
  if (at === null) return "–";
  const short = { weekday: "short", day: "numeric", month: "short" };
  const year = format("year", { year: "numeric" }, zone);
  const text = format("day", short, zone).format(at * 1000).replace(",", "");
  const said = year.format(at * 1000);
  return said === year.format(Date.now()) ? text : `${text} ${said}`;
}

/** Fri 21 Nov 14:05:09; only the time when it is today. */
export function moment(time, zone) {
  const at = seconds(time);
  if (at === null) return "–";
  const today = day(at, zone) === day(Date.now() / 1000, zone);
  return today ? clock(at, zone) : `${day(at, zone)} ${clock(at, zone)}`;
}

const UNITS = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];

/** 420 ms, 3.4 s, 1 min 32 s, 2 h 5 min, 3 d 4 h. */
export function span(time) {
  if (time === null || time === undefined) return "–";
  const least = Math.max(0, time);
  if (least < 0.9995) return `${Math.round(least * 1000)} ms`;
  if (least < 9.95) return `${least.toFixed(1)} s`;
  const whole = Math.round(least);
  const first = UNITS.findIndex(([, size]) => whole >= size);
  const [unit, size] = UNITS[first];
  const rest = UNITS[first + 1] && Math.floor((whole % size) / UNITS[first + 1][1]);
  const more = rest ? ` ${rest} ${UNITS[first + 1][0]}` : "";
  return `${Math.floor(whole / size)} ${unit}${more}`;
}

/** just now, 5 s ago, 3 min ago, in 2 h. */
export function ago(time, now = Date.now() / 1000) {
  const at = seconds(time);
  if (at === null) return "–";
  const gone = now - at;
  const far = Math.round(Math.abs(gone));
  if (far < 2) return "just now";
  const [unit, size] = UNITS.find(([, least]) => far >= least);
  const text = `${Math.floor(far / size)} ${unit}`;
  return gone < 0 ? `in ${text}` : `${text} ago`;
}

const offset = (at, zone) =>
  format("offset", { timeZoneName: "shortOffset" }, zone)
    .formatToParts(at * 1000).find((part) => part.type === "timeZoneName").value;

/** For tooltips: the time where the viewer is, and in the zone of the schedule when it differs. */
export function both(time, zone) {
  const at = seconds(time);
  if (at === null) return "–";
  const say = (place) => `${day(at, place)} ${clock(at, place)} ${place} (${offset(at, place)})`;
  const own = say(viewerZone);
  return !zone || zone === viewerZone ? own : `${own}\n${say(zone)}`;
}

const STEPS = [
  0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900,
  1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800, 1209600, 2419200,
];

/**
 * Where an axis has its marks: [{at, text, day}], at least `apart` pixels from each other. Whole
 * hours and days are those of the viewer's zone, on days on which the clocks change too; `day` is
 * set where a day begins.
 */
export function ticks(from, to, width, apart = 90) {
  const least = ((to - from) * apart) / Math.max(1, width);
  const step = STEPS.find((size) => size >= least) ?? STEPS.at(-1);
  const found = [];
  if (step < 3600) {
    for (let at = Math.ceil(from / step) * step; at <= to; at += step) found.push(mark(at, step));
    return found;
  }
  const start = new Date(from * 1000);
  start.setHours(0, 0, 0, 0);
  const days = step / 86400;
  for (let date = start; date / 1000 <= to;) {
    if (days >= 1) {
      if (since(date) % days === 0) keep(date / 1000);
    } else {
      for (let hour = 0; hour < 24; hour += step / 3600) {
        const at = new Date(date.getFullYear(), date.getMonth(), date.getDate(), hour);
        if (at.getHours() === hour) keep(at / 1000);
      }
    }
    date = new Date(date.getFullYear(), date.getMonth(), date.getDate() + 1);
  }
  return found;

  function keep(at) {
    if (at >= from && at <= to) found.push(mark(at, step));
  }
}

/** Days since a Monday long ago, by the calendar of the viewer. */
const since = (date) =>
  Math.round(Date.UTC(date.getFullYear(), date.getMonth(), date.getDate()) / 86400000) - 4;

function mark(at, step) {
  const date = new Date(at * 1000);
  const begins = date.getHours() + date.getMinutes() + date.getSeconds() === 0
    && Math.abs(date.getMilliseconds()) < 1;
  if (begins && step >= 60) return { at, text: day(at), day: true };
  const text = clock(at);
  if (step >= 60) return { at, text: text.slice(0, 5), day: false };
  if (step >= 1) return { at, text, day: false };
  const digits = step >= 0.1 ? 1 : step >= 0.01 ? 2 : 3;
  const rest = (at - Math.floor(at + 1e-6)).toFixed(digits).slice(1);
  return { at, text: text.slice(3) + rest, day: false };
}

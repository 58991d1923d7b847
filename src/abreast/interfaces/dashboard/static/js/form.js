// What a task takes, as fields made from its parameters.

import { post } from "./api.js";
import { h } from "./dom.js";
import { blame, choice, field } from "./parts.js";

const KINDS = { str: "text", int: "int", float: "float", bool: "bool" };
const LIST = /^(list|tuple|set|frozenset|sequence|iterable|collection)$/i;
const DICT = /^(dict|defaultdict|\w*mapping)$/i;

/**
 * What an annotation of Python asks for: {kind, optional, options}; kind is text, int, float,
 * bool, choice (one of options), list, dict or any.
 */
export function shapeOf(annotation) {
  const whole = (annotation ?? "").replace(/\b(typing|collections\.abc)\./g, "");
  const text = whole.replace(/^Optional\[(.*)\]$/s, "$1").replace(/^None *\| *| *\| *None$/g, "");
  const name = /^\w+(?=$|\[)/.exec(text)?.[0];
  const options = name === "Literal" && [...text.matchAll(/(["'])(.*?)\1|-?[\d.]+|True|False/g)]
    .map(([said, quote, quoted]) => quote ? quoted : said === "True" || (said !== "False" && Number(said)));
  return { optional: text !== whole, options, kind: options ? "choice"
    : KINDS[text] ?? (LIST.test(name) ? "list" : DICT.test(name) ? "dict" : "any") };
}

/** A value of JSON, undefined where it is none. */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const fits = (value, good, needs) => {
  if (!good) throw new Error(`needs ${needs}`);
  return value;
};
const READ = {
  text: (text) => text,
  int: (text) => fits(Number(text), /^\s*[+-]?\d+\s*$/.test(text) && Number.isSafeInteger(Number(text)), "a whole number"),
  float: (text) => fits(Number(text), Number.isFinite(Number(text)), "a number"),
  list: (text) => fits(parsed(text), Array.isArray(parsed(text)), 'a list as JSON, such as ["a", 1]'),
  dict: (text) => fits(parsed(text), /^\s*{/.test(text) && parsed(text), 'an object as JSON, such as {"a": 1}'),
  any: (text) => parsed(text) ?? (text.trim() === "null" ? null : text),
};
const HINTS = { list: "A list as JSON", dict: "An object as JSON", any: "JSON, or else it is text" };

/** A value as it stands in a field. */
const written = (kind, value) => value === null || value === undefined ? ""
  : typeof value === "string" && (kind === "text" || parsed(value) === undefined) ? value : JSON.stringify(value);

/** The field of a parameter: {name, kind, element, read()}; read throws what is wrong. */
function makeField({ name, kind: by, required, default: usual, annotation, hint }, given = usual) {
  const shape = by === "*" ? { kind: "list" } : by === "**" ? { kind: "dict" } : shapeOf(annotation);
  const { kind } = shape;
  const optional = shape.optional || by[0] === "*" || (!required && usual === null);
  const options = kind === "bool" && optional ? [true, false] : shape.options;
  const attrs = { autocomplete: "off", spellcheck: "false", placeholder: optional ? "none" : null };
  const control = options
    ? choice([...(optional || !options.includes(given) ? [["", optional ? "none" : "choose …"]] : []),
      ...options.map((option, index) => [index, String(option)])], options.indexOf(given))
    : kind === "bool" ? h("input", { type: "checkbox" })
      : kind === "list" || kind === "dict" || /\n/.test(given) ? h("textarea", { ...attrs, rows: 2 })
        : h("input", { type: "text", ...attrs, inputmode: kind === "int" ? "numeric" : null });
  if (kind === "bool") control.checked = given;
  if (!options && control.type !== "checkbox") control.value = written(kind, given);
  if (required) control.setAttribute("aria-required", "true");

  function read() {
    const text = control.value;
    if (control.type === "checkbox") return control.checked;
    if (text.trim() || (kind === "text" && !required && !optional)) return options ? options[text] : READ[kind](text);
    if (required && !optional) throw new Error("is required");
    return optional ? null : undefined;
  }

  const element = field(name, [by[0] === "*" && by, name, required && " *", annotation && [" ", h("code", { class: "soft" }, annotation)]],
    control, hint ?? HINTS[kind]);
  element.classList.add(`is-${control.type}`);
  return { name, kind: by, element, control, read() {
    const value = read();
    return !required && JSON.stringify(value ?? null) === JSON.stringify(usual ?? null) ? undefined : value;
  }, usual };
}

const OPTIONS = [
  ["label", "str", "What this run is called; otherwise as the task"], ["delay", "str", "Before it may start: 90s, 10m, 2h"],
  ["timeout", "str", "What one attempt may take: 90s, 10m"], ["priority", "float", "Seconds of head start over others"],
].map(([name, annotation, hint]) => ({ name, annotation, hint, kind: "option", default: null }));

/**
 * Fields for starting a task, with the arguments of an earlier run where they are given:
 * {element, send()}. send() starts it and returns the run, or false when something has to be put
 * right, which is said at the fields. Ctrl-Enter submits the form around them.
 */
export function runFields(task, given = {}) {
  const filled = named(task, given);
  const fields = task.parameters.map((parameter) => makeField(parameter, filled[parameter.name]));
  const options = OPTIONS.map((option) => makeField(option));
  const trouble = h("p", { class: "trouble", role: "alert" });
  const more = h("details", { class: "more" }, h("summary", null, "Options"), options.map((one) => one.element));
  const element = h("div", { class: "run-fields", onkeydown(event) {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) element.closest("form").requestSubmit();
  } }, fields.length ? fields.map((one) => one.element) : h("p", { class: "soft" }, "It takes no arguments."), more, trouble);

  function body() {
    const errors = [];
    const values = new Map([...fields, ...options].map((one) => {
      try {
        return [one, one.read()];
      } catch (error) {
        errors.push({ pointer: `/${one.name}`, detail: error.message });
        return [one];
      }
    }));
    if (errors.length) throw { errors };
    return { ...call(fields, values), ...Object.fromEntries(options.map((one) => [one.name, values.get(one)])) };
  }

  async function send() {
    blame(element);
    trouble.replaceChildren();
    try {
      return await post(`/tasks/${encodeURIComponent(task.name)}/runs`, body());
    } catch (problem) {
      for (const error of problem.errors) error.pointer = error.pointer.replace("/kwargs", "");
      const holder = problem.body?.running_run_id;
      trouble.append(blame(element, problem), holder ? h("a", { href: `/runs/${holder}` }, ` Run ${holder}`) : "");
      const first = element.querySelector("[aria-invalid]");
      more.open ||= more.contains(first);
      first?.focus();
      return false;
    }
  }

  return { element, send };
}

/** Arguments by place under the names of the parameters they fill. */
function named(task, { args = [], kwargs = {} }) {
  const found = {};
  const others = { ...kwargs };
  let at = 0;
  for (const { name, kind } of task.parameters) {
    if (kind === "*") found[name] = args.slice(at);
    else if (kind === "**") found[name] = others;
    else if (at < args.length && kind !== "keyword") found[name] = args[at++];
    else found[name] = others[name];
    if (kind[0] !== "*") delete others[name];
  }
  return found;
}

/** The fields as a call: by name, where that is possible. */
function call(fields, values) {
  const several = values.get(fields.find(({ kind }) => kind === "*")) ?? [];
  const ahead = fields.filter(({ kind }) => kind === "positional" || (kind === "any" && several.length));
  while (!several.length && ahead.length && values.get(ahead.at(-1)) === undefined) ahead.pop();
  const kwargs = {};
  for (const one of fields) {
    if (one.kind === "**") Object.assign(kwargs, values.get(one));
    else if (one.kind !== "*" && !ahead.includes(one)) kwargs[one.name] = values.get(one);
  }
  return { args: [...ahead.map((one) => values.get(one) ?? one.usual ?? null), ...several], kwargs };
}

// A log that may be of any size, as rows of text: pieces of it are fetched when they are looked
// at, and few are kept. Places are bytes from its beginning.

import { request } from "./api.js";

const PIECE = 1 << 16; // bytes that are kept or dropped together
const BLOCK = 1 << 14; // a line that is longer is shown in parts
const KEPT = 48; // pieces: 3 MB
const SCAN = 1 << 20; // bytes that are searched at once
const MOST_FOUND = 10_000;
const NEWLINE = 10;

const utf8 = new TextDecoder();
const bytewise = new TextDecoder("windows-1252"); // one character for every byte
const STAMP = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z /gm;

/** The log of a run. `size`: bytes, as far as known. `empty`: whether nothing is known to be there. */
export class LogFile {
  #path;
  #signal;
  #empty;
  #pieces = new Map(); // number -> bytes, the last used at the end

  constructor(id, empty, signal) {
    this.#path = `/runs/${id}/log`;
    this.#empty = empty;
    this.#signal = signal;
    this.size = 0;
  }

  /** Ask how large it is now; returns whether that has changed. */
  async look() {
    const before = this.size;
    if (before) await this.#fetch(`${before - 1}-${before - 1}`);
    else if (!this.#empty || (await this.#begun())) await this.#fetch("-1");
    return this.size !== before;
  }

  /** Whether something is there by now. A part of nothing would be an error, so all is asked for. */
  async #begun() {
    const stop = new AbortController();
    const signal = AbortSignal.any([this.#signal, stop.signal]);
    const response = await request("GET", this.#path, { signal });
    stop.abort();
    return response.headers.get("content-length") !== "0";
  }

  /** Some bytes, "from-to" or "-count"; takes note of the size. */
  async #fetch(range) {
    let response;
    try {
      response = await request("GET", this.#path, { headers: { Range: `bytes=${range}` }, signal: this.#signal });
    } catch (problem) {
      if (problem.status !== 416) throw problem;
      this.#pieces.clear(); // it is empty, or was begun anew
      this.#empty = true;
      this.size = 0;
      return new Uint8Array(0);
    }
    const total = /\/(\d+)$/.exec(response.headers.get("content-range") ?? "");
    if (total) this.size = Number(total[1]);
    return new Uint8Array(await response.arrayBuffer());
  }

  /** Have the bytes between two places at hand. */
  async load(from, to) {
    const start = this.#gap(Math.max(0, from), Math.min(to, this.size));
    if (start === null) return;
    const end = Math.min(Math.ceil(to / PIECE) * PIECE, this.size);
    const data = await this.#fetch(`${start}-${end - 1}`);
    for (let at = 0; at < data.length;) {
      const number = Math.floor((start + at) / PIECE);
      const part = data.subarray(at, (number + 1) * PIECE - start);
      this.#keep(number, part, (start + at) % PIECE);
      at += part.length;
    }
    for (const number of this.#pieces.keys()) {
      if (this.#pieces.size <= KEPT) break;
      this.#pieces.delete(number);
    }
  }

  #keep(number, data, behind = 0) {
    const before = this.#pieces.get(number)?.subarray(0, behind) ?? new Uint8Array(0);
    if (before.length !== behind) return;
    const whole = new Uint8Array(behind + data.length);
    whole.set(before);
    whole.set(data, behind);
    this.#pieces.delete(number);
    this.#pieces.set(number, whole);
  }

  /** The first of some places whose byte is not at hand, or null. */
  #gap(from, to) {
    for (let at = from; at < to;) {
      const number = Math.floor(at / PIECE);
      const piece = this.#pieces.get(number);
      if (!piece) return number * PIECE;
      this.#pieces.delete(number);
      this.#pieces.set(number, piece); // used last
      const end = number * PIECE + piece.length;
      if (end <= at || (piece.length < PIECE && end < to)) return end;
      at = end;
    }
    return null;
  }

  // -- rows -------------------------------------------------------------------------------

  /** The first newline from a place on, before another one; -1: none, null: not at hand. */
  #next(from, to) {
    for (let at = from; at < to;) {
      const number = Math.floor(at / PIECE);
      const piece = this.#pieces.get(number);
      if (!piece || number * PIECE + piece.length <= at) return null;
      const found = piece.indexOf(NEWLINE, at - number * PIECE);
      if (found >= 0) return number * PIECE + found < to ? number * PIECE + found : -1;
      at = number * PIECE + piece.length;
    }
    return -1;
  }

  /** The last newline before a place, not before another one. */
  #last(before, from) {
    for (let at = before; at > from;) {
      const number = Math.floor((at - 1) / PIECE);
      const piece = this.#pieces.get(number);
      if (!piece || number * PIECE + piece.length < at) return null;
      const found = piece.lastIndexOf(NEWLINE, at - 1 - number * PIECE);
      if (found >= 0) return number * PIECE + found >= from ? number * PIECE + found : -1;
      at = number * PIECE;
    }
    return -1;
  }

  /** Where the row begins in which a place lies; null: not at hand. */
  rowAt(at) {
    const block = at - (at % BLOCK);
    const found = this.#last(at, Math.max(0, block - BLOCK));
    return found === null ? null : found >= 0 ? found + 1 : block;
  }

  /** The row that begins at a place: {start, end, text}; null: not at hand, or none. */
  row(start) {
    if (start >= this.size) return null;
    const block = start - (start % BLOCK) + BLOCK;
    const most = Math.min(this.size, start % BLOCK ? block + BLOCK : block);
    const found = this.#next(start, most);
    if (found === null) return null;
    return { start, end: found >= 0 ? found + 1 : most,
      text: this.#text(start, found >= 0 ? found : most) };
  }

  #text(from, to) {
    const found = new Uint8Array(to - from);
    for (let at = from; at < to;) {
      const number = Math.floor(at / PIECE);
      const part = this.#pieces.get(number).subarray(at - number * PIECE, to - number * PIECE);
      found.set(part, at - from);
      at += part.length;
    }
    return utf8.decode(found);
  }

  // -- search -----------------------------------------------------------------------------

  /**
   * Where a text occurs, from a place on, upper or lower case: reads the log in large parts and
   * keeps none. tell(places, read) gets what one part has, and how far it is; it stops when that
   * returns false.
   */
  async search(text, from, tell, signal) {
    const wanted = narrow(new TextEncoder().encode(text));
    let count = 0;
    for (let at = from; at < this.size && count < MOST_FOUND;) {
      const end = Math.min(at + SCAN, this.size);
      const response = await request("GET", this.#path,
        { headers: { Range: `bytes=${at}-${end - 1}` }, signal });
      const part = narrow(await response.arrayBuffer());
      const places = [];
      for (let found = part.indexOf(wanted); found >= 0 && count < MOST_FOUND; count++) {
        places.push(at + found);
        found = part.indexOf(wanted, found + wanted.length);
      }
      const read = count < MOST_FOUND ? end : places.at(-1) + 1;
      if (tell(places, read) === false) return;
      at = end < this.size ? end - wanted.length + 1 : end;
    }
  }
}

/** Bytes as text without upper case and without the times before the lines. */
const narrow = (bytes) => bytewise.decode(bytes).replace(STAMP, (stamp) => " ".repeat(stamp.length))
  .toLowerCase();

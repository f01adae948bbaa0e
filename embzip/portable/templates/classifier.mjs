// @what@. Written by `embzip export --to javascript`: an ES module without dependencies.
//
//     import { classify } from "./@stem@.mjs";
//     classify("a text");  // { label, probability, probabilities }
//
// How a text becomes ids, rows and probabilities is specified in embzip/embz/README.md.

const CHECK = /*@check@*/ 0;
const DATA = /*@data@*/ "";

// ---- the model: bytes, checked and expanded ---------------------------------------------------

/** Return the bytes of the model, or throw where they are not those that were written. */
function bytesOf(base64) {
  let text;
  try {
    text = atob(base64);
  } catch {
    text = "";
  }
  const bytes = Uint8Array.from(text, (char) => char.charCodeAt(0));
  let crc = -1;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (0xedb88320 & -(crc & 1));
  }
  if (~crc >>> 0 !== CHECK) throw new Error("the model in this file is damaged: export it again");
  return bytes;
}

/** Expand a raw LZMA2 stream of lc=3, lp=0, pb=0; return what it holds and what it took. */
function expand(input, size) {
  const out = new Uint8Array(size);
  let at = 0, end = 0, range = 0, code = 0, state = 0, probabilities, reps;

  function refill() {
    if (range >>> 0 >= 0x1000000) return;
    range = range << 8;
    code = (code << 8) | input[at++];
  }
  function bit(index) {
    const probability = probabilities[index], bound = (range >>> 11) * probability;
    const one = code >>> 0 >= bound;
    if (one) {
      range -= bound;
      code -= bound;
      probabilities[index] -= probability >>> 5;
    } else {
      range = bound;
      probabilities[index] += (2048 - probability) >>> 5;
    }
    refill();
    return one ? 1 : 0;
  }
  function tree(base, bits) {
    let node = 1;
    while (node < 1 << bits) node = (node << 1) | bit(base + node);
    return node - (1 << bits);
  }
  function reversed(base, bits) {
    let node = 1, value = 0;
    for (let i = 0; i < bits; i++) {
      const next = bit(base + node);
      node = (node << 1) | next;
      value |= next << i;
    }
    return value;
  }
  function direct(bits) {
    let value = 0;
    for (; bits > 0; bits--) {
      range >>>= 1;
      const one = code >>> 0 >= range >>> 0;
      if (one) code -= range;
      value = (value << 1) | (one ? 1 : 0);
      refill();
    }
    return value;
  }
  // Where the probabilities of each decision begin: by the state, or those of a tree.
  const REP = 12, REP0 = 24, REP1 = 36, REP2 = 48, LONG = 60, SLOT = 72, SPECIAL = 328;
  const ALIGN = 456, LENGTH = 472, REP_LENGTH = 746, LITERAL = 1020;
  function length(base) {
    if (!bit(base)) return 2 + tree(base + 2, 3);
    if (!bit(base + 1)) return 10 + tree(base + 10, 3);
    return 18 + tree(base + 18, 8);
  }
  function distance(count) {
    const slot = tree(SLOT + 64 * Math.min(count - 2, 3), 6);
    if (slot < 4) return slot;
    const bits = (slot >> 1) - 1, base = (2 | (slot & 1)) << bits;
    if (slot < 14) return base + reversed(SPECIAL + base - slot, bits);
    return base + direct(bits - 4) * 16 + reversed(ALIGN, 4);
  }
  function copy(count) {
    for (let from = end - reps[0] - 1; count > 0; count--) out[end++] = out[from++];
  }
  function literal() {
    const base = LITERAL + 0x300 * (end ? out[end - 1] >> 5 : 0);
    let symbol = 1;
    for (let matched = out[end - reps[0] - 1], same = state >= 7; symbol < 0x100; ) {
      const wanted = (matched >> 7) & 1;
      const next = bit(base + (same ? (1 + wanted) << 8 : 0) + symbol);
      symbol = (symbol << 1) | next;
      same = same && wanted === next;
      matched <<= 1;
    }
    out[end++] = symbol;
    state = state < 4 ? 0 : state < 10 ? state - 3 : state - 6;
  }
  function chunk(stop) {
    while (end < stop) {
      if (!bit(state)) {
        literal();
      } else if (!bit(REP + state)) {
        const count = length(LENGTH);
        reps = [distance(count), reps[0], reps[1], reps[2]];
        copy(count);
        state = state < 7 ? 7 : 10;
      } else {
        const older = bit(REP0 + state);
        if (!older && !bit(LONG + state)) {
          copy(1);
          state = state < 7 ? 9 : 11;
          continue;
        }
        const which = !older ? 0 : !bit(REP1 + state) ? 1 : !bit(REP2 + state) ? 2 : 3;
        reps.unshift(...reps.splice(which, 1));
        copy(length(REP_LENGTH));
        state = state < 7 ? 8 : 11;
      }
    }
  }
  for (;;) {
    const control = input[at++];
    if (control === 0) return [out, at];
    const more = ((input[at] << 8) | input[at + 1]) + 1;
    at += 2;
    if (control < 0x80) {
      out.set(input.subarray(at, at + more), end);
      at += more;
      end += more;
      continue;
    }
    at += 2; // how many bytes follow is not needed
    if (control >= 0xa0) {
      probabilities = new Uint16Array(LITERAL + 0x300 * 8).fill(1024);
      state = 0;
      reps = [0, 0, 0, 0];
    }
    at += control >= 0xc0 ? 2 : 1;
    range = -1;
    code = 0;
    for (let i = 0; i < 4; i++) code = (code << 8) | input[at++];
    chunk(end + ((control & 0x1f) << 16) + more);
  }
}

/** Return the record of the model, and a function that reads one of its arrays by name. */
function open(base64) {
  const bytes = bytesOf(base64);
  const view = new DataView(bytes.buffer);
  const [plain, used] = expand(bytes.subarray(4), view.getUint32(0, true));
  const raw = bytes.subarray(4 + used);
  const length = new DataView(plain.buffer).getUint32(0, true);
  const record = JSON.parse(new TextDecoder().decode(plain.subarray(4, 4 + length)));
  const places = new Map();
  let inPlain = 4 + length, inRaw = 0;
  for (const [name, type, count, packed] of record.arrays) {
    const size = count * WIDTHS[type.replace("d", "")];
    places.set(name, { type, count, bytes: (packed ? plain : raw).subarray(
      packed ? inPlain : inRaw, (packed ? inPlain : inRaw) + size) });
    if (packed) inPlain += size;
    else inRaw += size;
  }
  return [record, (name) => (places.has(name) ? numbers(places.get(name)) : null)];
}

const WIDTHS = { u8: 1, u16: 2, u32: 4, i32: 4, f16: 2, f32: 4 };

/** Return the numbers of an array, which stand in planes of bytes, or as differences. */
function numbers({ type, count, bytes }) {
  if (type === "u8") return bytes;
  const whole = new Uint32Array(count), kind = type.replace("d", ""), differences = kind !== type;
  for (let plane = 0; plane < WIDTHS[kind]; plane++)
    for (let i = 0; i < count; i++) whole[i] |= bytes[plane * count + i] << (8 * plane);
  if (differences) for (let i = 1; i < count; i++) whole[i] += whole[i - 1];
  if (kind === "u16" && differences) for (let i = 0; i < count; i++) whole[i] &= 0xffff;
  if (kind === "i32") return new Int32Array(whole.buffer);
  if (kind === "f32") return new Float32Array(whole.buffer);
  return kind === "f16" ? Float64Array.from(whole, half) : whole;
}

function half(bits) {
  const exponent = (bits >> 10) & 31, digits = bits & 1023;
  const magnitude = exponent ? (1024 + digits) * 2 ** (exponent - 25) : digits * 2 ** -24;
  return bits & 0x8000 ? -magnitude : magnitude;
}

const [MODEL, read] = open(DATA);

// ---- the text: normalized by the Unicode of who exported it -----------------------------------

const WORD = 1, MARK = 2, JOINER = 3, SPACE = 4, KIND = 7, MAPPED = 8, CASED = 32, IGNORABLE = 64;
const HANGUL = 0xac00, LEADS = 0x1100, VOWELS = 0x1161, TAILS = 0x11a7;
const CODES = 0x110000;

const flags = new Uint8Array(CODES), classes = new Uint8Array(CODES);
const lowers = new Map(), singles = new Map(), pairs = new Map(), composites = new Map();

{
  const runs = read("runs"), records = read("records");
  for (let at = 0, code = 0; at < runs.length; ) {
    let record = runs[at] & 31, count = runs[at++] >> 5, shift = 0;
    if (record === 31) record = runs[at++];
    if (!count)
      do {
        count += (runs[at] & 127) << shift;
        shift += 7;
      } while (runs[at++] & 128);
    flags.fill(records[2 * record], code, code + count);
    classes.fill(records[2 * record + 1], code, code + count);
    code += count;
  }
  const far = read("far"), seconds = read("seconds");
  const whole = (code) => (code >= 0xd800 && code < 0xe000 ? far[code - 0xd800] : code);
  const firsts = read("pair_first"), numbersOfSeconds = read("pair_second");
  const excluded = new Set(read("pair_excluded"));
  const starts = read("pair_start"), indices = read("pair_index");
  let run = -1;
  firsts.forEach((first, i) => {
    if (i === indices[run + 1]) run++;
    const code = whole(starts[run] + i - indices[run]);
    const pair = [whole(first), whole(seconds[numbersOfSeconds[i]])];
    pairs.set(code, pair);
    if (!excluded.has(i)) composites.set(pair[0] * CODES + pair[1], code);
  });
  const counts = read("single_count"), targets = read("single_code");
  let target = 0;
  read("single_first").forEach((first, i) => {
    for (let j = 0; j < counts[i]; j++) singles.set(first + j, whole(targets[target++]));
  });
  const spans = read("lower_span"), deltas = read("lower_delta");
  read("lower_first").forEach((first, i) => {
    const step = spans[i] & 0x8000 ? 2 : 1;
    for (let j = 0; j < (spans[i] & 0x7fff); j++) {
      const code = first + j * step;
      lowers.set(code, (code & ~0xffff) | ((code + deltas[i]) & 0xffff));
    }
  });
  flags.subarray(HANGUL, HANGUL + 11172).forEach((_, i) => (flags[HANGUL + i] |= MAPPED));
  for (const mapping of [pairs, singles, lowers])
    for (const code of mapping.keys()) flags[code] |= MAPPED;
}

/** Add what a code point stands for, decomposed and in lower case. */
function map(codes, index, out) {
  let code = codes[index];
  if (!(flags[code] & MAPPED)) {
    out.push(code);
    return;
  }
  if (code >= HANGUL && code < HANGUL + 11172) {
    const syllable = code - HANGUL;
    out.push(LEADS + Math.floor(syllable / 588), VOWELS + Math.floor((syllable % 588) / 28));
    if (syllable % 28) out.push(TAILS + (syllable % 28));
    return;
  }
  //@if sigma
  if (code === 0x3a3) {
    out.push(isFinal(codes, index) ? 0x3c2 : 0x3c3);
    return;
  }
  //@end
  const behind = [];
  for (;;) {
    const pair = pairs.get(code);
    if (pair) {
      behind.push(pair[1]);
      code = pair[0];
    } else if (singles.has(code)) {
      code = singles.get(code);
    } else {
      break;
    }
  }
  out.push(lowers.get(code) ?? code);
  while (behind.length) {
    const second = behind.pop();
    out.push(lowers.get(second) ?? second);
  }
}

//@if sigma
/** Return whether a sigma ends a word, as far as lower-casing knows. */
function isFinal(codes, index) {
  let before = index - 1, after = index + 1;
  while (before >= 0 && flags[codes[before]] & IGNORABLE) before--;
  if (before < 0 || !(flags[codes[before]] & CASED)) return false;
  while (after < codes.length && flags[codes[after]] & IGNORABLE) after++;
  return after === codes.length || !(flags[codes[after]] & CASED);
}
//@end

/** Put marks in the order of their classes: stable, between starters. */
function order(codes) {
  for (let at = 0; at < codes.length; at++) {
    if (!classes[codes[at]]) continue;
    let end = at + 1;
    while (end < codes.length && classes[codes[end]]) end++;
    if (end - at > 1) {
      const marks = codes.slice(at, end).sort((one, other) => classes[one] - classes[other]);
      for (let i = 0; i < marks.length; i++) codes[at + i] = marks[i];
    }
    at = end;
  }
}

function composed(one, other) {
  if (other >= VOWELS && other < VOWELS + 21 && one >= LEADS && one < LEADS + 19)
    return HANGUL + ((one - LEADS) * 21 + (other - VOWELS)) * 28;
  if (other > TAILS && other < TAILS + 28 && one >= HANGUL && one < HANGUL + 11172)
    return (one - HANGUL) % 28 ? undefined : one + other - TAILS;
  return composites.get(one * CODES + other);
}

/** Compose in place, and return how many code points are left. */
function compose(codes) {
  let starter = -1, last = 0, length = 0;
  for (const code of codes) {
    const its = classes[code];
    if (starter >= 0 && (length === starter + 1 || last < its)) {
      const made = composed(codes[starter], code);
      if (made !== undefined) {
        codes[starter] = made;
        continue;
      }
    }
    if (!its) starter = length;
    last = its;
    codes[length++] = code;
  }
  codes.length = length;
}

/** Return the code points of a text, normalized. */
function normalize(text) {
  const codes = [];
  let plain = true;
  for (let at = 0; at < text.length; at++) {
    let code = text.charCodeAt(at);
    if (code > 127) {
      plain = false;
      code = text.codePointAt(at);
      if (code > 0xffff) at++;
      else if (code >= 0xd800 && code < 0xe000) code = 0xfffd;
    }
    codes.push(code);
  }
  if (plain) {
    if (MODEL.lowercase)
      for (let i = 0; i < codes.length; i++)
        if (codes[i] >= 65 && codes[i] <= 90) codes[i] += 32;
    return codes;
  }
  const out = [];
  for (let i = 0; i < codes.length; i++) map(codes, i, out);
  order(out);
  compose(out);
  return out;
}

/** Return the string of some code points, of which there may be many. */
function spell(codes, from, until) {
  if (until - from === 1) return String.fromCodePoint(codes[from]);
  let text = "";
  for (let at = from; at < until; at += 4096)
    text += String.fromCodePoint(...codes.slice(at, Math.min(at + 4096, until)));
  return text;
}

// ---- tokens: ids ------------------------------------------------------------------------------

const UNKNOWN = MODEL.unknown;

//@if words
const words = readWords(read("words"));
const idOfWord = new Map(words.map((word, i) => [word, i + 2]));

/** Undo front coding: a number says what a word keeps of the one before. */
function readWords(coded) {
  const out = new Uint8Array(MODEL.word_bytes);
  let before = 0, end = 0;
  for (let at = 0; at < coded.length; ) {
    let number = 0;
    while (coded[at] === 31) {
      number += 31;
      at++;
    }
    number += coded[at++];
    const start = end;
    if (number) {
      const kept = start - 1 - before - (number - 1);
      out.copyWithin(start, before, before + kept);
      end += kept;
    }
    while (at < coded.length && coded[at] > 31) {
      const byte = coded[at++];
      const escaped = byte === 255 && coded[at] >= 0x40 && coded[at] < 0x60;
      out[end++] = escaped ? coded[at++] & 31 : byte;
    }
    before = start;
    out[end++] = 10; // no word holds a line end
  }
  const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(out.subarray(0, end - 1));
  return end ? text.split("\n") : [];
}
//@end

//@if stems
/** Compare two words by their code points. */
function compareWords(one, other) {
  const length = Math.min(one.length, other.length);
  for (let i = 0; i < length; i++) {
    let mine = one.charCodeAt(i), theirs = other.charCodeAt(i);
    if (mine === theirs) continue;
    // Above U+FFFF stands what begins with a surrogate.
    if (mine >= 0xd800 && mine < 0xe000) mine += 0x10000;
    if (theirs >= 0xd800 && theirs < 0xe000) theirs += 0x10000;
    return mine - theirs;
  }
  return one.length - other.length;
}

/** Return the id of an unknown word's neighbour of the same stem. */
function idOfStem(word) {
  let low = 0, high = words.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareWords(words[middle], word) < 0) low = middle + 1;
    else high = middle;
  }
  const mine = [...word];
  for (const index of [low - 1, low]) {
    if (index < 0 || index >= words.length) continue;
    const theirs = [...words[index]];
    let same = 0;
    while (same < mine.length && same < theirs.length && mine[same] === theirs[same]) same++;
    if (mine.length >= 5 && theirs.length >= 5 &&
        same >= Math.max(5, mine.length - 2, theirs.length - 2)) return index + 2;
  }
  return UNKNOWN;
}

//@end
//@if words
/** Yield the tokens of a text: { text, ids }. */
function* tokensOf(text) {
  const codes = normalize(text), end = codes.length;
  const is = (at, one, other) => at < end && ((flags[codes[at]] & KIND) === one ||
    (flags[codes[at]] & KIND) === other);
  for (let at = 0; at < end; ) {
    const from = at, kind = flags[codes[at]] & KIND;
    at++;
    if (kind === SPACE) continue;
    if (kind === MARK) {
      while (is(at, MARK, MARK)) at++;
    } else if (kind === WORD) {
      for (;;) {
        while (is(at, WORD, MARK)) at++;
        let joined = at;
        while (is(joined, JOINER, JOINER)) joined++;
        if (joined === at || !is(joined, WORD, MARK)) break;
        at = joined;
      }
    }
    const word = spell(codes, from, at);
    let id = idOfWord.get(word) ?? UNKNOWN;
    //@if stems
    if (id === UNKNOWN) id = idOfStem(word);
    //@end
    yield { text: word, ids: [id] };
  }
}
//@end

//@if pieces
const idOfCode = new Map(), merges = new Map(), merged = read("merge_new");
{
  const ids = read("alphabet_ids"), rights = read("merge_right");
  read("alphabet").forEach((code, i) => idOfCode.set(code, ids[i]));
  read("merge_left").forEach((left, rank) => merges.set(left * 0x1000000 + rights[rank], rank));
}

/** Merge the pieces of a word, the merge of the lowest rank first, of equal ones the first. */
function merge(ids) {
  const count = ids.length, next = ids.map((_, i) => i + 1), previous = ids.map((_, i) => i - 1);
  const heap = [];
  const before = (one, other) => one[0] - other[0] || one[1] - other[1];
  function push(at) {
    if (at < 0 || next[at] >= count) return;
    const rank = merges.get(ids[at] * 0x1000000 + ids[next[at]]);
    if (rank === undefined) return;
    let place = heap.push([rank, at, ids[at], ids[next[at]]]) - 1;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (before(heap[parent], heap[place]) <= 0) break;
      [heap[parent], heap[place]] = [heap[place], heap[parent]];
      place = parent;
    }
  }
  function pop() {
    const top = heap[0], last = heap.pop();
    if (heap.length) {
      heap[0] = last;
      for (let place = 0; ; ) {
        let least = place;
        for (const child of [2 * place + 1, 2 * place + 2])
          if (child < heap.length && before(heap[child], heap[least]) < 0) least = child;
        if (least === place) break;
        [heap[least], heap[place]] = [heap[place], heap[least]];
        place = least;
      }
    }
    return top;
  }
  for (let at = 0; at < count; at++) push(at);
  while (heap.length) {
    const [rank, at, left, right] = pop();
    if (ids[at] !== left || next[at] >= count || ids[next[at]] !== right) continue; // no longer
    const gone = next[at];
    ids[at] = merged[rank];
    ids[gone] = -1;
    next[at] = next[gone];
    if (next[at] < count) previous[next[at]] = at;
    push(previous[at]);
    push(at);
  }
  return ids.filter((id) => id >= 0);
}

const MARKER = 0x2581;
const separates = (code) => code === 32 || (code >= 9 && code <= 13) || code === MARKER;

/** Yield what stands between spaces: { text, ids }. */
function* tokensOf(text) {
  const codes = normalize(text);
  for (let at = 0; at < codes.length; ) {
    if (separates(codes[at])) {
      at++;
      continue;
    }
    const from = at, ids = [idOfCode.get(MARKER)];
    for (; at < codes.length && !separates(codes[at]); at++) {
      const id = idOfCode.get(codes[at]) ?? UNKNOWN;
      if (id !== UNKNOWN || ids[ids.length - 1] !== UNKNOWN) ids.push(id);
    }
    yield { text: spell(codes, from, at), ids: merge(ids) };
  }
}
//@end

function checked(text) {
  if (typeof text !== "string") throw new TypeError(`a text is a string, received ${typeof text}`);
  return text;
}

/**
 * Return the tokens of a text: words, or between spaces what is cut into pieces.
 * @param {string} text
 * @returns {{ text: string, ids: number[], known: boolean }[]}
 */
export function tokenize(text) {
  return Array.from(tokensOf(checked(text)), (each) => ({ ...each, known: !each.ids.includes(UNKNOWN) }));
}

// ---- rows: what was stored of an id -----------------------------------------------------------

const { inner, dim } = MODEL.table;

//@if floats
const table = read("values");

/** Write the numbers of a row as they are stored, from a place on. */
function decode(id, out, at) {
  for (let i = 0; i < inner; i++) out[at + i] = table[id * inner + i];
}
//@end
//@if codes
const { bits, row_bytes: rowBytes } = MODEL.table;
const codes = read("codes"), points = read("points"), scale = read("scale"), scales = read("scales");
const widths = read("part_widths"), firsts = read("part_firsts");
const parts = widths ? widths.length : inner;

/** Write the numbers of a row, from a place on: what its codes stand for. */
function decode(id, out, at) {
  const factor = scales ? scales[scale[id]] : scale ? scale[id] : 1;
  for (let part = 0, column = at; part < parts; part++) {
    const byte = codes[id * rowBytes + ((part * bits) >> 3)];
    const code = (byte >> ((part * bits) & 7)) & ((1 << bits) - 1);
    const width = widths ? widths[part] : 1, first = (firsts ? firsts[part] : 0) + code * width;
    for (let i = 0; i < width; i++) out[column++] = points[first + i] * factor;
  }
}
//@end
//@if trellis
const { memory, planes } = MODEL.table, stream = read("stream"), bits = read("bits");
const trellis = read("trellis"), firstValue = read("first_value"), moments = read("moments");
const deviation = Array.from(read("deviation"), (code, i) =>
  code ? 2 ** ((1 - code) / 16) * moments[2 * Math.floor(i / inner)] : 0);
const mean = Array.from(read("mean"), (code, i) =>
  ((code << 24) >> 24) * moments[2 * Math.floor(i / inner) + 1]);
const starts = [0], classOfRow = [], active = [];
{
  const sizes = [], planed = read("planes");
  for (let first = 0; first < bits.length; first += inner) {
    const own = [...bits.subarray(first, first + inner)];
    sizes.push((own.reduce((sum, each) => sum + each, 0) + 7) >> 3);
    active.push(own.filter((each) => each > 0).length);
  }
  for (let row = 0; row < (planed.length * 8) / planes; row++) {
    let its = 0;
    for (let plane = 0; plane < planes; plane++) {
      const byte = planed[((row >> 6) * planes + plane) * 8 + ((row & 63) >> 3)];
      its |= ((byte >> (row & 7)) & 1) << plane;
    }
    classOfRow.push(its);
    starts.push(starts[row] + sizes[its]);
  }
}

/** Write the numbers of a row: of each active column one coded bit, then the others of all. */
function decode(id, out, at) {
  const first = classOfRow[id] * inner, begin = 8 * starts[id], count = active[classOfRow[id]];
  const bitAt = (place) => (stream[(begin + place) >> 3] >> (place & 7)) & 1;
  let window = 0, coded = 0, place = count;
  for (let back = memory; count && back >= 1; back--)
    window = (window << 1) | bitAt((count * memory - back) % count);
  for (let column = 0; column < inner; column++) {
    const width = bits[first + column];
    out[at + column] = mean[first + column];
    if (!width) continue;
    window = ((window << 1) | bitAt(coded++)) & ((2 << memory) - 1);
    let value = firstValue[width] + (window << (width - 1));
    for (let more = 0; more < width - 1; more++) value += bitAt(place++) << more;
    out[at + column] += trellis[value] * deviation[first + column];
  }
}
//@end

//@if matrix
const matrix = read("matrix"), offset = read("offset"), stored = new Float64Array(inner);

/** Multiply what is stored of a row by the matrix behind it. */
function transform(id, out, at) {
  decode(id, stored, 0);
  for (let to = 0; to < dim; to++) {
    let sum = offset[to];
    for (let from = 0; from < inner; from++) sum += stored[from] * matrix[from * dim + to];
    out[at + to] = sum;
  }
}
//@end
/** Write the columns of a token, from a place on. */
function writeRow(id, out, at) {
  let row = decode;
  //@if matrix
  row = transform;
  //@end
  row(id, out, at);
  if (stride > dim) out[at + dim] = 1;
}

// ---- encoders ---------------------------------------------------------------------------------

const LEVELS = { int8: [8, 127], int4: [4, 7.5], int2: [2, 1.5] };

/** Read a layer: its numbers are blocks of eight outputs, for each input. */
function layerOf(name, [inputs, outputs, window], form) {
  const coded = read(`${name}.numbers`), levels = LEVELS[form];
  let kernel = coded;
  if (levels) {
    const [bits, highest] = levels, per = 8 / bits;
    kernel = new Float64Array(coded.length * per);
    for (let i = 0; i < kernel.length; i++) {
      const code = (coded[Math.floor(i / per)] >> (bits * (i % per))) & ((1 << bits) - 1);
      kernel[i] = code - highest;
    }
  }
  kernel = Float64Array.from(kernel);
  const scale = levels ? read(`${name}.scale`) : new Float64Array(outputs).fill(1);
  return { inputs, outputs, window, kernel, scale, bias: read(`${name}.bias`) };
}

const heads = MODEL.heads.map((head, i) => ({
  ...head,
  convolutions: head.convolutions.map((each, j) => layerOf(`${i}.${j}`, each, head.form)),
  dense: layerOf(`${i}.dense`, head.dense, head.form),
  features: new Float64Array(head.dense[0]),
}));
const stride = dim + (heads.some((head) => head.indicator) ? 1 : 0);
const longest = Math.max(...heads.map((head) => head.max_length));
const widest = Math.max(0, ...heads.flatMap((head) => head.convolutions.map((c) => c.window)));
let rows = new Float64Array(0); // of the longest text yet

/** Raise four features to the sums of `count` places, at most three, each a token further. */
function raise(layer, output, rows, at, columns, count, features, first) {
  const { kernel, inputs } = layer;
  let a0 = 0, a1 = 0, a2 = 0, a3 = 0, b0 = 0, b1 = 0, b2 = 0, b3 = 0, c0 = 0, c1 = 0, c2 = 0, c3 = 0;
  let k = (output >> 3) * inputs * 8 + (output & 7);
  for (let row = at, left = inputs; left > 0; left -= columns, row += stride) {
    for (let i = row; i < row + columns; i++, k += 8) {
      const a = rows[i], b = rows[i + stride], c = rows[i + 2 * stride];
      const k0 = kernel[k], k1 = kernel[k + 1], k2 = kernel[k + 2], k3 = kernel[k + 3];
      a0 += a * k0;
      b0 += b * k0;
      c0 += c * k0;
      a1 += a * k1;
      b1 += b * k1;
      c1 += c * k1;
      a2 += a * k2;
      b2 += b * k2;
      c2 += c * k2;
      a3 += a * k3;
      b3 += b * k3;
      c3 += c * k3;
    }
  }
  if (count < 3) c0 = c1 = c2 = c3 = -Infinity;
  if (count < 2) b0 = b1 = b2 = b3 = -Infinity;
  features[first] = Math.max(features[first], a0, b0, c0);
  features[first + 1] = Math.max(features[first + 1], a1, b1, c1);
  features[first + 2] = Math.max(features[first + 2], a2, b2, c2);
  features[first + 3] = Math.max(features[first + 3], a3, b3, c3);
}

/** Write the features of a text of so many tokens; below its rows stand rows of padding. */
function see(head, tokens) {
  const { features, columns, max_length } = head;
  //@if means
  if (!head.convolutions.length) {
    const read = Math.min(tokens, max_length);
    features.fill(0);
    for (let row = 0; row < read; row++)
      for (let i = 0; i < columns; i++) features[i] += rows[row * stride + i] / read;
    return;
  }
  //@end
  let first = 0;
  for (const layer of head.convolutions) {
    const { window, outputs, scale, bias } = layer, behind = first + Math.ceil(outputs / 8) * 8;
    // A window of padding alone sums to 0, and so do those behind it.
    features.fill(tokens + window <= max_length ? 0 : -Infinity, first, behind);
    const places = Math.min(tokens, max_length - window + 1);
    for (let output = 0; output < outputs; output += 4)
      for (let at = 0; at < places; at += 3)
        raise(layer, output, rows, at * stride, columns, places - at, features, first + output);
    for (let i = 0; first < behind; i++, first++)
      features[first] = i < outputs ? Math.max(0, features[first] * scale[i] + bias[i]) : 0;
  }
}

function answer(head, tokens) {
  const { kernel, inputs, outputs, scale, bias } = head.dense, logits = [];
  see(head, tokens);
  for (let output = 0; output < outputs; output++) {
    let sum = 0, k = (output >> 3) * inputs * 8 + (output & 7);
    for (let i = 0; i < inputs; i++, k += 8) sum += head.features[i] * kernel[k];
    logits.push(sum * scale[output] + bias[output]);
  }
  const most = Math.max(...logits), powers = logits.map((logit) => Math.exp(logit - most));
  const sum = powers.reduce((one, other) => one + other, 0);
  const probabilities = powers.map((power) => power / sum);
  const best = probabilities.indexOf(Math.max(...probabilities));
  return { label: head.labels[best], probability: probabilities[best], probabilities };
}

// ---- what the module gives --------------------------------------------------------------------

/** What is known of the model, and its labels, of a kit by the names of its classifiers. */
export const about = MODEL.about;
export const labels = MODEL.kit
  ? new Map(heads.map((head) => [head.name, head.labels]))
  : heads[0].labels;

/**
 * Return the ids of a text's tokens.
 * @param {string} text
 * @returns {number[]}
 */
export function encode(text) {
  return tokenize(text).flatMap((token) => token.ids);
}

/**
 * Classify a text; the probabilities are in the order of `labels`. Of a kit, a Map of answers.
 * @param {string} text
 * @returns {{ label: string, probability: number, probabilities: number[] }}
 */
export function classify(text) {
  const ids = [];
  for (const token of tokensOf(checked(text))) {
    ids.push(...token.ids);
    if (ids.length >= longest) break;
  }
  const tokens = Math.min(ids.length, longest), end = (tokens + widest + 2) * stride;
  if (rows.length < end) rows = new Float64Array(end);
  for (let row = 0; row < tokens; row++) writeRow(ids[row], rows, row * stride);
  rows.fill(0, tokens * stride, end);
  const answers = heads.map((head) => answer(head, tokens));
  return MODEL.kit ? new Map(heads.map((head, i) => [head.name, answers[i]])) : answers[0];
}

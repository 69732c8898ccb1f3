// Numbers, texts and tokens.

// A number as it is written in a cell; NaN for anything else.
const numberOf = cell => /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(cell) && Number.isFinite(+cell) ? +cell : NaN;

// The cells of a line, between separators of one kind; null where it does not tell what separates, as in 10,1 11,2 and
// 1,,2. alone: all numbers of a series stand in the line, of which two about a comma may be one: 0,5.
function cellsOf(line, alone = false) {
  const given = line.trim().replace(/[,;]$/, ""), cells = given.split(/[\s,;]+/).filter(Boolean);
  const between = given.match(/[\s,;]+/g) ?? [], kinds = between.map(one => one.replace(/\s+/g, "") + (/,\s|\s,/.test(one) ? " " : ""));
  const unclear = /^[,;]/.test(given) || between.some(one => /[,;\t]\s*[,;\t]/.test(one)) || new Set(kinds).size > 1;
  return unclear || alone && cells.length === 2 && kinds[0] === "," ? null : cells;
}

const normal = text => text.replace(/\r\n?/g, "\n").normalize("NFC");
const SIGN = "!-/:-@\\[-`{-~\\u00a1-\\u00bf\\u2010-\\u2bff\\u3001-\\u303f\\uff01-\\uff0f\\uff1a-\\uff20";
// White space is that of Python, which is not quite that of JavaScript.
const SPACE = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000", BETWEEN = new RegExp(`[${SPACE}]+`);
const PIECE = new RegExp(` ?[^${SPACE}0-9${SIGN}\\ufffd]{1,64}| ?[0-9]{1,64}| ?[${SIGN}]{1,64}|[${SPACE}]{1,64}(?![^${SPACE}])|[${SPACE}]{1,64}|\\ufffd`, "gu");
const wordsOf = text => text.split(BETWEEN).filter(Boolean);

// Characters, of Hangul syllables their letters; and syllables of letters.
const letters = text => [...text].flatMap(c => c >= "가" && c <= "힣" ? [...c.normalize("NFD")] : [c]);
const composed = text => text.replace(/[\u1100-\u1112][\u1161-\u1175][\u11a8-\u11c2]?/g, s => s.normalize("NFC"));

// A vocabulary: encode and decode, and the places of its tokens.
function texts({ tokens, unk_id: unk, eos_id: eos, kind, merges = [] }) {
  const places = new Map(tokens.map((token, n) => [token, n]).filter(([, n]) => n !== unk && n !== eos));
  const rank = new Map(merges.map(([a, b], n) => [a + "\u0000" + b, n]).reverse());

  function merged(piece) {
    const parts = [...piece];
    while (parts.length > 1) {
      let best = -1, least = Infinity;
      for (let n = 0; n + 1 < parts.length; n++) {
        const found = rank.get(parts[n] + "\u0000" + parts[n + 1]);
        if (found !== undefined && found < least) [best, least] = [n, found];
      }
      if (best < 0) break;
      parts.splice(best, 2, parts[best] + parts[best + 1]);
    }
    return parts;
  }

  function encode(text) {
    text = normal(text);
    if (kind === "bytes") return [...new TextEncoder().encode(text)];
    let parts;
    if (kind === "words") {
      const lines = eos === null ? [text] : text.split("\n");
      parts = lines.flatMap((line, n) => [...(n ? [null] : []), ...wordsOf(line)]);
      return parts.map(part => part === null ? eos : places.get(part) ?? unk).filter(n => n !== null);
    }
    if (kind === "subwords") {
      text = normal([...text].map(c => places.has(c) ? c : unk === null ? "" : "\ufffd").join(""));
      parts = (text.match(PIECE) || []).flatMap(merged);
    } else {
      parts = kind === "jamo" ? letters(text) : [...text];
    }
    return parts.map(part => places.get(part) ?? unk).filter(n => n !== null);
  }

  function decode(ids) {
    if (kind === "bytes") {
      const pieces = [[]];
      for (const n of ids) n === 256 ? pieces.push([]) : pieces.at(-1).push(n);
      return pieces.map(piece => new TextDecoder("utf-8", { ignoreBOM: true }).decode(Uint8Array.from(piece))).join("");
    }
    if (kind === "words") {
      const joined = ids.map(n => n === eos ? "\n" : tokens[n]).join(" ");
      return joined.replaceAll(" \n", "\n").replaceAll("\n ", "\n");
    }
    const text = ids.map(n => n === eos ? "\u0000" : n === unk ? "\ufffd" : tokens[n]).join("");
    return (kind === "jamo" ? composed(text) : text).replaceAll("\u0000", "");
  }

  // What a text has that is no token, piece by piece: characters, letters or words.
  function unknown(text) {
    text = normal(text);
    if (kind === "bytes") return [];
    const pieces = kind === "words" ? (eos === null ? [text] : text.split("\n")).flatMap(wordsOf) : kind === "jamo" ? letters(text) : [...text];
    return pieces.filter(piece => !places.has(piece));
  }

  return { encode, decode, unknown, places };
}

/** Levels of percent-encoding that are followed, as in paths. */
const MAX_DECODINGS = 3;

/** A parameter of a query. */
export interface QueryPair {
  /** In small letters, as PHP and Rack read it: `a[]` and `a[x]` are `a`; `.`, `-` and blanks are `_`. */
  readonly name: string;
  /** Decoded. */
  readonly value: string;
}

/** The parameters of a request target, as the most lenient application finds them. */
export function queryPairs(target: string): readonly QueryPair[] {
  const [path = '', ...queries] = target.split('?');
  const pairs = queries.flatMap((query) => query.split(/[&;]/));
  // Behind an encoded question mark in the path there is a query to an origin that decodes first, and then all of its signs are.
  const hidden = ENCODED_MARK.exec(path);
  if (hidden !== null) pairs.push(...target.slice(hidden.index).split(ANY_MARK));
  return pairs.map((pair) => {
    const [name = '', ...value] = decoded(pair).split('=');
    return { name: nameOf(name), value: value.join('=') };
  });
}

const ENCODED_MARK = /%(?:25)*3f/i;
const ANY_MARK = /[?&;]|%(?:25)*(?:3f|26|3b)/i;

function nameOf(text: string): string {
  return (text.trim().split(/[[\0]/, 1)[0] ?? '').toLowerCase().replace(/[ .-]/g, '_');
}

/** Only names in ASCII matter, so that a byte is as good as a character. */
function decoded(pair: string): string {
  let text = pair.replaceAll('+', ' ');
  for (let level = 0; level < MAX_DECODINGS && text.includes('%'); level += 1) {
    text = text.replace(/%([0-9a-f]{2})/gi, (_escape, code: string) => String.fromCharCode(Number.parseInt(code, 16)));
  }
  return text;
}
